package disk

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/pabal/pabal"
)

// variedStore makes a small store that has a row of each kind, and closes it.
func variedStore(t testing.TB) *vfs.MemFS {
	t.Helper()
	mem := vfs.NewMem()
	b, err := open(dataConfig("data"), mem)
	if err != nil {
		t.Fatal(err)
	}
	add := func(ch pabal.Channel, m ...pabal.Message) {
		if _, err := b.Append(t.Context(), ch, pabal.Publish{Messages: m}); err != nil {
			t.Fatal(err)
		}
	}
	add("all/a", pabal.Message{ID: "i", Data: []byte("1")}, pabal.Message{Key: "k", Data: []byte("2")}, pabal.Message{Data: []byte("3")})
	add("all/z", pabal.Message{Data: []byte("z")})
	add("gone/a", pabal.Message{Data: []byte("x")})
	add("latest/a", pabal.Message{Key: "k", Data: []byte("1")}, pabal.Message{Key: "k", Data: []byte("2")}, pabal.Message{Data: []byte("3")})
	add("short/a", pabal.Message{Data: []byte("1")})
	if err := errors.Join(b.Delete(t.Context(), "gone/a"), b.Close()); err != nil {
		t.Fatal(err)
	}
	return mem
}

// changed returns a copy of a store of which a row was changed, or with a nil
// value removed.
func changed(t testing.TB, mem *vfs.MemFS, key, value []byte) *vfs.MemFS {
	t.Helper()
	fs := vfs.NewMem()
	if ok, err := vfs.Clone(mem, fs, "data", "data"); err != nil || !ok {
		t.Fatalf("clone: %v", err)
	}
	c := dataConfig("data")
	db, err := pebble.Open("data", &pebble.Options{FS: fs, FormatMajorVersion: pebble.FormatValueSeparation, Logger: logger{newBroker(c, fs)}})
	if err != nil {
		t.Fatal(err)
	}
	if value == nil {
		err = db.Delete(key, nil)
	} else {
		err = db.Set(key, value, nil)
	}
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	return fs
}

// survives holds what the package does with a store of which a row is wrong
// against what it says of damage: check finds no fault in the tool, what is
// exported makes a store that holds together, and a server starts or says why
// not; then it reads and publishes, or says that it cannot.
func survives(t *testing.T, fs *vfs.MemFS) (found Checked) {
	t.Helper()
	found, err := check(t.Context(), dataConfig("data"), fs, nil)
	if err != nil {
		t.Fatalf("check: %v", err)
	}
	var out bytes.Buffer
	done, err := export(t.Context(), dataConfig("data"), fs, &out, nil, nil)
	later := (*laterError)(nil)
	if err != nil && !errors.As(err, &later) {
		t.Fatalf("export: %v", err)
	}
	if err == nil {
		made, err := importFrom(t.Context(), dataConfig("new"), fs, &out, nil)
		if err != nil || made.Entries != done.Entries {
			t.Fatalf("of an export of %+v, import has made %+v, %v\n%s", done, made, err, out.Bytes())
		}
		if again, err := check(t.Context(), dataConfig("new"), fs, nil); err != nil || again.N > 0 {
			t.Fatalf("what was imported: %v, %q", err, again.First)
		}
	}
	b, err := open(dataConfig("data"), fs)
	if err != nil {
		if !strings.HasPrefix(err.Error(), "data directory data: ") || found.N == 0 && !errors.As(err, &later) {
			t.Errorf("a server does not start: %v, and check has found %d problems", err, found.N)
		}
		return found
	}
	stored := (*pabal.StorageError)(nil)
	for _, ch := range []pabal.Channel{"all/a", "all/z", "latest/a", "gone/a", "short/a", "new"} {
		for _, q := range []pabal.Query{{}, {Latest: true}, {From: pabal.FromLast(2)}, {From: pabal.Before(pabal.Position{Epoch: b.past.now().epoch, Offset: 3})}} {
			q.MaxEntries, q.MaxBytes = 10, 1000
			if _, err := b.Read(t.Context(), ch, q); err != nil && !errors.As(err, &stored) {
				t.Errorf("%s: read: %v", ch, err)
			}
		}
		_, err := b.Append(t.Context(), ch, pabal.Publish{Messages: []pabal.Message{{Key: "k", Data: []byte("next")}}})
		if limit := (*pabal.LimitError)(nil); err != nil && !errors.As(err, &stored) && !errors.Is(err, pabal.ErrClosed) && !errors.As(err, &limit) {
			t.Errorf("%s: append: %v", ch, err)
		}
	}
	if _, err := b.Channels(t.Context(), "", "", 100); err != nil && !errors.As(err, &stored) {
		t.Errorf("list: %v", err)
	}
	if err := b.Close(); err != nil && !errors.As(err, &stored) {
		t.Errorf("close: %v", err)
	}
	return found
}

func number(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// entryAt is a row of an entry that is not what all/a has at offset 2.
func entryAt(offset, prev pabal.Offset, key string, after tally) []byte {
	return appendEntry(nil, &pabal.Entry{Epoch: 1, Offset: offset, Prev: prev, Message: pabal.Message{Key: key, Data: []byte("2")}}, after)
}

// A row that is wrong is found, and named; what depends on it fails with a
// reason, and all else goes on.
func TestWrongRows(t *testing.T) {
	mem := variedStore(t)
	for what, c := range map[string]struct {
		key, value []byte
		want       string
	}{
		"after the last":    {offsetKey(nil, entryRow, "all/a", 9), entryAt(9, 3, "", tally{4, 5}), "an entry at offset 9, after the last"},
		"another before":    {offsetKey(nil, entryRow, "all/a", 2), entryAt(2, 0, "k", tally{2, 4}), "the entry at offset 2 follows 1, and says 0"},
		"older":             {offsetKey(nil, entryRow, "all/a", 2), entryAt(2, 1, "k", tally{2, 4}), "is older than the one before it"},
		"entry cut":         {offsetKey(nil, entryRow, "all/a", 2), []byte("0123456789abcdef\x01"), "from offset 2 to before 3 cannot be read"},
		"length":            {offsetKey(nil, entryRow, "all/a", 2), append([]byte("0123456789abcdef\x01\x01\x01"), 0xff, 0xff, 0xff, 0xff, 0x7f, 0, 0, 0), "from offset 2 to before 3 cannot be read"},
		"first entry":       {offsetKey(nil, entryRow, "all/a", 1), nil, "entries are missing"},
		"key of an entry":   {offsetKey(nil, entryRow, "latest/a", 2), entryAt(2, 1, "other", tally{2, 7}), `is not known to its key "other"`},
		"key row cut":       {lastKeyKey(nil, "latest/a", "k"), []byte("x"), `the row of key "k"`},
		"key row back":      {lastKeyKey(nil, "latest/a", "k"), number(1), "is not known to its key"},
		"key row ahead":     {lastKeyKey(nil, "latest/a", "k"), number(1 << 60), `is the last of key "k"`},
		"last row of none":  {offsetKey(nil, lastRow, "latest/a", 1), []byte("k"), `is the last of key "k", which has 2`},
		"last row cut":      {append(offsetKey(nil, lastRow, "latest/a", 1), 7), []byte("k"), "cannot all be read"},
		"name":              {channelKey(nil, "a b"), (&state{}).append(nil, 0), "a row of a channel: "},
		"state of later":    {channelKey(nil, "all/z"), (&state{}).append(nil, 5), "its row does not hold together"},
		"state cut":         {channelKey(nil, "all/z"), []byte{0, 0}, "its row cannot be read"},
		"state cut of keys": {channelKey(nil, "latest/a"), []byte{7}, "its row cannot be read"},
		"due row cut":       {[]byte{dueRow, 1}, []byte{}, "the order of sweeps: "},
		"due row":           {dueKey(nil, 5, "short/a"), []byte{}, "it is in the order of sweeps at 5"},
		"ID":                {idKey("", 0), []byte{0, 3, 'a'}, "the row of a known ID"},
		"ID cut":            {idKey("", 0), []byte{0, 1, 'a', 1, 'i', 1, 2, 3}, "the row of a known ID"},
		"space of IDs":      {append(idSpace(""), 1, 2, 3), []byte{0}, "the row of a known ID"},
		"store":             {[]byte{storeRow}, []byte{1}, "the store's own row"},
		"store of later":    {[]byte{storeRow}, []byte{format + 1, 0, 0, 0, 0}, "the data is of version 2"},
		"life":              {lifeKey(0), []byte{1, 2}, "the lives"},
		"life of a floor":   {lifeKey(0), append(number(7), 0, 0x80, 0x10, 1), "the lives"},
		"life out of order": {lifeKey(9), (&life{epoch: 4}).append(nil), "the lives"},
		"life's key":        {[]byte{lifeRow, 0}, (&life{epoch: 4}).append(nil), "the lives"},
		"floor cut":         {floorKey(3), []byte{0xff}, "the floors"},
	} {
		t.Run(what, func(t *testing.T) {
			found := survives(t, changed(t, mem, c.key, c.value))
			if !strings.Contains(strings.Join(found.First, "\n"), c.want) {
				t.Errorf("found %q, want %q", found.First, c.want)
			}
		})
	}
}
