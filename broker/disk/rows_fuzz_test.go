package disk

import (
	"bytes"
	"errors"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/once"
)

// A row of an entry is refused, or says an entry that is written as a row of
// the same meaning; both parsers read the same mark of it.
func FuzzEntryRow(f *testing.F) {
	for i := range odd {
		e := &pabal.Entry{Channel: "a", Epoch: 7, Offset: 12, Prev: 9, Time: time.Unix(0, 5), Message: odd[i]}
		if len(e.Data) < 100 {
			f.Add(uint64(e.Offset), appendEntry(nil, e, tally{3, 40}))
		}
	}
	f.Fuzz(func(t *testing.T, offset uint64, row []byte) {
		m, _, _, err := parseMark(pabal.Offset(offset), row)
		e, again, failed := parseEntry("a", pabal.Offset(offset), row)
		if (err == nil) != (failed == nil) || m != again {
			t.Fatalf("the mark is %+v, %v, and that of the entry %+v, %v", m, err, again, failed)
		}
		if err != nil {
			return
		}
		if m.size != uint64(e.Size()) || len(e.Data) > len(row) || e.Offset-m.prev != e.Offset-e.Prev {
			t.Errorf("an entry of %d bytes, and its mark says %+v", e.Size(), m)
		}
		written := appendEntry(nil, e, m.tally)
		if len(written) > len(row) {
			t.Errorf("%x is written as %x, which is longer", row, written)
		}
		got, mark, err := parseEntry("a", e.Offset, written)
		if err != nil || mark != m || !reflect.DeepEqual(got, e) {
			t.Errorf("written again, %+v, %+v is %+v, %+v, %v", e, m, got, mark, err)
		}
	})
}

// A row of a channel is refused, or says a state that is written as a row of
// the same meaning. It takes no more memory than a few times its own bytes.
func FuzzStateRow(f *testing.F) {
	for _, s := range []state{
		pristine(0, 0, false), pristine(5, 9, true),
		{first: edge{3, tally{2, 9}}, last: edge{9, tally{5, 40}}, end: 9, time: 1, touched: 2, due: 3, cut: pabal.Trimmed, stored: true},
		{closed: true, keys: keys{keyed: true, kept: true, n: 2, floor: 4, stale: []pabal.Offset{5, 7}}, past: survivors{1, []pabal.Offset{3, 8}}, stored: true},
	} {
		f.Add(s.append(nil, 2))
	}
	f.Add([]byte("\x00\x00\x00" + strings.Repeat("\x00", 15) + "\xff\xff\xff\xff\x07")) // so many stale rows as no memory could hold
	f.Fuzz(func(t *testing.T, row []byte) {
		s, life, err := parseState(row)
		if n := len(s.keys.stale) + len(s.past.at); n > len(row) {
			t.Fatalf("%d offsets from %d bytes", n, len(row))
		}
		if err != nil {
			return
		}
		if !s.stored || life < 0 || s.keys.n < 0 {
			t.Errorf("%x is %+v, of life %d", row, s, life)
		}
		if s.cut == "" { // of a release that knew more reasons
			s.cut = pabal.Evicted
		}
		got, again, err := parseState(s.append(nil, life))
		if err != nil || again != life || !reflect.DeepEqual(got, s) {
			t.Errorf("written again, %+v of life %d is %+v of %d, %v", s, life, got, again, err)
		}
	})
}

// A row of an ID is refused, or says what is written as a row of the same
// meaning.
func FuzzKnownRow(f *testing.F) {
	for _, k := range []once.Known{
		{},
		{Name: once.Name{Channel: "a/b", ID: "1", Batch: true}, Use: once.Use{Digest: pabal.Digest{1, 2}, End: pabal.Position{Epoch: 7, Offset: 300}, N: 2}, At: time.Unix(0, 9), Number: 5},
	} {
		f.Add(idKey("space", k.Number), appendKnown(nil, &k))
	}
	f.Fuzz(func(t *testing.T, key, row []byte) {
		if len(key) == 0 {
			return // a key has its kind
		}
		namespace, k, err := parseKnown(key, row)
		if err != nil {
			return
		}
		space, got, err := parseKnown(idKey(namespace, k.Number), appendKnown(nil, &k))
		if err != nil || space != namespace || got != k {
			t.Errorf("written again, %q %+v is %q %+v, %v", namespace, k, space, got, err)
		}
	})
}

// The rows of the store as a whole are refused, or say what is written as rows
// of the same meaning; what a later release wrote is told from what is broken.
func FuzzStoreRows(f *testing.F) {
	f.Add((&record{life: 3, channels: 9, reserve: 1 << 40, lax: true, clean: true}).append(nil), (&life{epoch: 5, base: 9, floors: floors{3: 7, 1023: 8}}).append(nil))
	f.Add([]byte{format + 1}, []byte(""))
	f.Add([]byte{}, []byte("\x00\x00\x00\x00\x00\x00\x00\x01\x05\x80\x08\x01")) // a floor of a bucket beyond the last
	f.Fuzz(func(t *testing.T, storeRow, lifeRow []byte) {
		r, err := parseRecord(storeRow)
		if later := (*laterError)(nil); errors.As(err, &later) && (len(storeRow) == 0 || storeRow[0] <= format) {
			t.Errorf("%x is said to be of a later release", storeRow)
		}
		if err == nil {
			if again, err := parseRecord(r.append(nil)); err != nil || again != r {
				t.Errorf("written again, %+v is %+v, %v", r, again, err)
			}
		}
		l, err := parseLife(lifeRow)
		if err != nil {
			return
		}
		written := l.append([]byte("before"))
		if again, err := parseLife(written[len("before"):]); err != nil || *again != *l {
			t.Errorf("written again, the life %x is %x, %v", lifeRow, written, err)
		}
	})
}

// Whatever the marker of a directory says, it is opened, or left as it was with
// an error that says what to do.
func FuzzMarker(f *testing.F) {
	for _, text := range []string{"", markerText + "1\n", markerText + "1", markerText + "2\n", markerText + "-1\n", markerText, importing, "MySQL\n", markerText + "99999999999999999999"} {
		f.Add([]byte(text))
	}
	known := regexp.MustCompile("^" + markerText + "0*[01]$")
	f.Fuzz(func(t *testing.T, text []byte) {
		fs := vfs.NewMem()
		tool := newTool(t.Context(), dataConfig("data"), fs, nil)
		if err := fs.MkdirAll("data", 0o700); err != nil {
			t.Fatal(err)
		}
		if err := tool.writeMark(string(text)); err != nil {
			t.Fatal(err)
		}
		err := prepare(fs, "data")
		if known.Match(bytes.TrimSpace(text)) != (err == nil) {
			t.Errorf("a directory marked %q: %v", text, err)
		}
		if err != nil && !strings.HasPrefix(err.Error(), "data directory data: ") {
			t.Errorf("the error does not say where: %v", err)
		}
		if got, err := readMarker(fs, "data"); err != nil || got != string(text) {
			t.Errorf("the marker is %q now, %v", got, err)
		}
	})
}

// Whatever a row of the store says, no tool and no server fails but with a
// reason: see [survives].
func FuzzWrongRow(f *testing.F) {
	mem := variedStore(f)
	keys := [][]byte{
		{storeRow}, lifeKey(0), floorKey(3), channelKey(nil, "all/a"), channelKey(nil, "latest/a"), channelKey(nil, "gone/a"),
		offsetKey(nil, entryRow, "all/a", 2), offsetKey(nil, entryRow, "latest/a", 2), offsetKey(nil, lastRow, "latest/a", 2),
		lastKeyKey(nil, "latest/a", "k"), idKey("", 0), dueKey(nil, 5, "short/a"),
	}
	for i, key := range keys {
		for _, value := range []string{"", "\x00", "\xff", strings.Repeat("\x01", 30), strings.Repeat("\xff", 20)} {
			f.Add(uint8(i), []byte(value))
		}
		tool, err := openTool(f.Context(), dataConfig("data"), mem, true, nil)
		if err != nil {
			f.Fatal(err)
		}
		if row, err := get(tool.db, key); err == nil {
			f.Add(uint8(i), row)
		}
		if err := tool.close(); err != nil {
			f.Fatal(err)
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, value []byte) {
		survives(t, changed(t, mem, keys[int(which)%len(keys)], value))
	})
}
