package disk

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/pabal/pabal"
)

// dataRules are by the beginning of a channel's name.
func dataRules(ch pabal.Channel) Rules {
	r := Rules{Retention: pabal.Retention{Entries: 1 << 20, Bytes: 1 << 30, Age: -1}}
	switch kind, _, _ := strings.Cut(string(ch), "/"); kind {
	case "latest":
		r.Latest, r.Entries, r.Keys = true, 5, 8
	case "trimmed":
		r.Entries = 40
	case "short":
		r.Age = time.Second
	case "never":
		r.Sync, r.Namespace = SyncNever, "lax"
	}
	return r
}

func dataConfig(dir string) Config {
	return Config{Dir: dir, Cache: 1 << 20, MinFree: -1, Rules: dataRules}
}

// odd are messages that do not look in JSON as they are.
var odd = []pabal.Message{
	{},
	{Data: []byte("text \x00 \" \\ \u2028 \ufffd")},
	{Data: []byte("\xff\xfe no UTF-8")},
	{ContentType: "application/json", Data: []byte(`{"a":1,"a":2,"n":123456789012345678901234567890.10e400}`)},
	{ContentType: "application/json", Data: []byte("{ \"a\" :\t1,\r\n \"b\": [ ] }\n")},
	{ContentType: "application/json", Data: []byte(`"\ud800 <&>\/"`)},
	{ContentType: "application/json", Data: []byte("null")},
	{ContentType: "application/json"},
	{ContentType: "application/json", Data: []byte("no JSON")},
	{ContentType: "application/json", Data: []byte("\"\xff\"")},
	{ContentType: "application/json", Data: []byte(strings.Repeat("[", 9999) + strings.Repeat("]", 9999))},
	{ContentType: "application/ld+json; x=1", Data: []byte(`"s"`)},
	{ContentType: "text/plain; charset=latin1", Data: []byte("caf\xe9")},
	{ContentType: "image/png", Data: []byte("text")},
	{Type: "t\xff", ID: "i\xff", Key: "k\xff", ContentType: "c\xff", Data: []byte("x")},
	{Type: "say", ID: "known", Key: "é", Data: []byte("x")},
}

func put(t *testing.T, b *Broker, ch pabal.Channel, n int, key string) {
	t.Helper()
	for i := range n {
		m := pabal.Message{Data: fmt.Appendf(nil, "%s %d", ch, i)}
		if key != "" {
			m.Key = fmt.Sprintf(key, i%11)
		}
		if i%3 == 0 {
			m.ID = fmt.Sprint(ch, i, b.past.now().epoch)
		}
		publish(t, b, ch, pabal.Publish{Messages: []pabal.Message{m}})
	}
}

func publish(t *testing.T, b *Broker, ch pabal.Channel, p pabal.Publish) pabal.Appended {
	t.Helper()
	done, err := b.Append(t.Context(), ch, p)
	if err != nil {
		t.Fatalf("append to %s: %v", ch, err)
	}
	return done
}

// makeStore makes a store that has been through everything, and closes it.
func makeStore(t *testing.T, fs vfs.FS, dir string) {
	t.Helper()
	b := opened(t, fs, dataConfig(dir))
	for range 3 {
		put(t, b, "all/a", 100, "")
		put(t, b, "keyed/a", 30, "k%d")
		put(t, b, "latest/a", 60, "k%d")
		put(t, b, "latest/plain", 20, "")
		put(t, b, "trimmed/a", 100, "")
		put(t, b, "trimmed/keyed", 100, "k%d")
		put(t, b, "short/gone", 3, "")
		put(t, b, "never/a", 20, "")
		put(t, b, "deleted/a", 10, "k%d")
		put(t, b, "deleted/empty", 10, "")
		for _, ch := range []pabal.Channel{"deleted/a", "deleted/empty"} {
			if err := b.Delete(t.Context(), ch); err != nil {
				t.Fatal(err)
			}
		}
		put(t, b, "deleted/a", 3, "k%d")
		time.Sleep(5 * time.Second)
		synctest.Wait()
		b = reopenLosing(t, b, func(ch pabal.Channel) int {
			if ch == "never/a" {
				return 3
			}
			return 0
		}).(*Broker)
	}
	for i := range odd {
		publish(t, b, "all/odd", pabal.Publish{Messages: odd[i : i+1]})
	}
	publish(t, b, "closed/a", pabal.Publish{BatchID: "whole\xff", Messages: []pabal.Message{{Data: []byte("x")}, {}}, Close: true})
	put(t, b, "never/a", 3, "")
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
}

func wantClean(t *testing.T, fs vfs.FS, dir string) Checked {
	t.Helper()
	done, err := check(t.Context(), dataConfig(dir), fs, nil)
	if err != nil || done.N > 0 {
		t.Fatalf("check: %v, %d problems: %s", err, done.N, strings.Join(done.First, "\n"))
	}
	return done
}

func exported(t *testing.T, fs vfs.FS, dir string) []byte {
	t.Helper()
	var out bytes.Buffer
	done, err := export(t.Context(), dataConfig(dir), fs, &out, nil, nil)
	if err != nil || done.N > 0 {
		t.Fatalf("export: %v, problems %q", err, done.First)
	}
	return out.Bytes()
}

// filesOf returns what all files of the directory hold, but for LOCK.
func filesOf(t *testing.T, fs vfs.FS) map[string]string {
	t.Helper()
	names, err := fs.List("data")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, name := range names {
		if name == "LOCK" {
			continue
		}
		f, err := fs.Open(fs.PathJoin("data", name))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(f)
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
		all[name] = string(text)
	}
	return all
}

// An import of an export is the same store: to who looks at its rows, and to
// who reads from any cursor.
func TestDataRoundTrip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := vfs.NewMem()
		makeStore(t, fs, "data")
		before := filesOf(t, fs)
		was := wantClean(t, fs, "data")
		text := exported(t, fs, "data")
		if !reflect.DeepEqual(filesOf(t, fs), before) {
			t.Error("check or export have changed the directory")
		}
		done, err := importFrom(t.Context(), dataConfig("new/data"), fs, bytes.NewReader(text), nil)
		if err != nil || done.Entries != was.Entries || done.Channels != was.Channels || done.IDs != was.IDs {
			t.Fatalf("import: %+v, %v; there were %+v", done, err, was)
		}
		wantClean(t, fs, "new/data")
		if again := exported(t, fs, "new/data"); !bytes.Equal(again, text) {
			t.Fatalf("exported again:\n%s\nwas\n%s", firstDifference(again, text), firstDifference(text, again))
		}
		if _, err := importFrom(t.Context(), dataConfig("new/data"), fs, bytes.NewReader(text), nil); err == nil || !strings.Contains(err.Error(), "there is data in it") {
			t.Errorf("a second import: %v", err)
		}
		old, b := opened(t, fs, dataConfig("data")), opened(t, fs, dataConfig("new/data"))
		sameReads(t, old, b)
		if done := publish(t, b, "all/odd", pabal.Publish{Messages: odd[len(odd)-1:]}); !done.Duplicate {
			t.Errorf("a known ID: %+v, want a duplicate", done)
		}
		whole := pabal.Publish{BatchID: "whole\xff", Messages: []pabal.Message{{Data: []byte("x")}, {}}, Close: true}
		if done := publish(t, b, "closed/a", whole); !done.Duplicate {
			t.Errorf("a known batch: %+v, want a duplicate", done)
		}
		for _, ch := range []pabal.Channel{"all/a", "latest/a", "trimmed/a", "deleted/empty", "short/gone", "new"} {
			one := pabal.Publish{Messages: []pabal.Message{{Key: "k1", Data: []byte("next")}}}
			if got, want := publish(t, b, ch, one), publish(t, old, ch, one); !reflect.DeepEqual(got, want) {
				t.Errorf("the next entry of %s is at %+v, want %+v", ch, got, want)
			}
		}
		sameReads(t, old, b)
		if err := errors.Join(old.Close(), b.Close()); err != nil {
			t.Fatal(err)
		}
		wantClean(t, fs, "new/data")
	})
}

func firstDifference(text, other []byte) []byte {
	lines := bytes.Split(other, []byte("\n"))
	for i, line := range bytes.Split(text, []byte("\n")) {
		if i >= len(lines) || !bytes.Equal(line, lines[i]) {
			return line
		}
	}
	return nil
}

// sameReads reads from cursors of all epochs, and compares.
func sameReads(t *testing.T, a, b *Broker) {
	t.Helper()
	channels, err := a.Channels(t.Context(), "", "", 1000)
	if err != nil || len(channels) < 8 {
		t.Fatalf("channels: %v, %v", channels, err)
	}
	type content struct {
		pabal.Position
		Prev pabal.Offset
		Time time.Time
		m    string
	}
	see := func(b *Broker, ch pabal.Channel, q pabal.Query) string {
		page, err := b.Read(t.Context(), ch, q)
		var all []content
		for _, e := range page.Entries {
			all = append(all, content{e.Position(), e.Prev, e.Time, fmt.Sprintf("%q", []any{e.ID, e.Type, e.Key, e.ContentType, e.Data})})
		}
		lost := page.Lost
		page.Entries, page.Lost = nil, nil
		return fmt.Sprintf("%+v %+v %v %v", page, lost, all, err)
	}
	for _, ch := range append(channels, "short/gone", "unknown") {
		from := []pabal.From{pabal.FromAll(), pabal.FromNow(), pabal.FromLast(3), pabal.FromLast(50), pabal.FromTime(time.Now().Add(-7 * time.Second))}
		for _, l := range a.past.lives {
			for at := range 8 {
				for _, base := range []pabal.Offset{0, l.base} {
					p := pabal.Position{Epoch: l.epoch, Offset: base + pabal.Offset(at*41)}
					from = append(from, pabal.After(p), pabal.Before(p))
				}
			}
		}
		for i, f := range from {
			for _, latest := range []bool{false, true} {
				q := pabal.Query{From: f, Latest: latest, MaxEntries: 7, MaxBytes: 1 << 20}
				if got, want := see(b, ch, q), see(a, ch, q); got != want {
					t.Fatalf("%s, from %d (%+v), latest %v: got\n%s\nwant\n%s", ch, i, f, latest, got, want)
				}
			}
		}
	}
}

// A store that a crash has left is clean, as it is and once it was opened.
func TestDataAfterCrash(t *testing.T) {
	fs := vfs.NewCrashableMem()
	b := opened(t, fs, dataConfig("data"))
	for _, ch := range []pabal.Channel{"all/a", "latest/a", "trimmed/keyed", "never/a", "deleted/a"} {
		put(t, b, ch, 70, "k%d")
	}
	if err := b.Delete(t.Context(), "deleted/a"); err != nil {
		t.Fatal(err)
	}
	crashed := fs.CrashClone(vfs.CrashCloneCfg{})
	before := filesOf(t, crashed)
	wantClean(t, crashed, "data")
	text := exported(t, crashed, "data")
	if !reflect.DeepEqual(filesOf(t, crashed), before) {
		t.Error("the log was not left as it is")
	}
	if _, err := importFrom(t.Context(), dataConfig("new"), crashed, bytes.NewReader(text), nil); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"data", "new"} {
		next := opened(t, crashed, dataConfig(dir))
		put(t, next, "never/a", 5, "k%d")
		if n := len(next.past.lives); n != 2 {
			t.Errorf("%s: %d lives, want that a second one began", dir, n)
		}
		if err := next.Close(); err != nil {
			t.Fatal(err)
		}
		wantClean(t, crashed, dir)
	}
}

// Each surgery is found, and named.
func TestCheckFinds(t *testing.T) {
	mem := vfs.NewMem()
	b := opened(t, mem, dataConfig("data"))
	put(t, b, "all/a", 20, "")
	put(t, b, "latest/a", 20, "k%d")
	put(t, b, "short/a", 1, "")
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	edit := func(change func(*state)) func(*testing.T, *pebble.DB) {
		return func(t *testing.T, db *pebble.DB) {
			row, err := get(db, channelKey(nil, "all/a"))
			if err != nil {
				t.Fatal(err)
			}
			s, life, err := parseState(row)
			if err != nil {
				t.Fatal(err)
			}
			change(&s)
			row = s.append(nil, life)
			if err := db.Set(channelKey(nil, "all/a"), row, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	set := func(key, value []byte) func(*testing.T, *pebble.DB) {
		return func(t *testing.T, db *pebble.DB) {
			if err := db.Set(key, value, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	remove := func(key []byte) func(*testing.T, *pebble.DB) {
		return func(t *testing.T, db *pebble.DB) {
			if err := db.Delete(key, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	for what, c := range map[string]struct {
		cut  func(*testing.T, *pebble.DB)
		want string
	}{
		"entry":       {remove(offsetKey(nil, entryRow, "all/a", 7)), "between offsets 6 and 8 entries are missing"},
		"last entry":  {remove(offsetKey(nil, entryRow, "all/a", 20)), "its last entry is 19"},
		"count":       {edit(func(s *state) { s.last.n++ }), "its row says 20, of 21"},
		"first":       {edit(func(s *state) { s.first.at = 3 }), "entries are missing, or their count is wrong"},
		"end":         {edit(func(s *state) { s.end = 5 }), "its row does not hold together"},
		"due":         {edit(func(s *state) { s.due = 9 }), "not in the order of sweeps"},
		"entry row":   {set(offsetKey(nil, entryRow, "all/a", 5), []byte("x")), "from offset 5 to before 6 cannot be read"},
		"key row":     {remove(lastKeyKey(nil, "latest/a", "k3")), "the last of key \"k3\""},
		"wrong key":   {set(lastKeyKey(nil, "latest/a", "k3"), binary.BigEndian.AppendUint64(nil, 17)), "does not know it"},
		"last row":    {remove(offsetKey(nil, lastRow, "latest/a", 20)), "does not know it"},
		"kept apart":  {remove(offsetKey(nil, entryRow, "latest/a", 13)), "the entry at offset 13, the last of key"},
		"channel":     {remove(channelKey(nil, "all/a")), "has rows (e), and none of its own"},
		"channel row": {set(channelKey(nil, "all/a"), []byte{0xff}), "its row cannot be read"},
		"record":      {set([]byte{storeRow}, (&record{channels: 7}).append(nil)), "the store's own row says 7"},
		"no record":   {remove([]byte{storeRow}), "the store's own row: "},
		"lives":       {remove(lifeKey(0)), "the lives: "},
		"floor":       {set(floorKey(2000), []byte{1}), "the floors: "},
		"id":          {set(idKey("", 3), []byte("x")), "the row of a known ID"},
		"stray due":   {set(dueKey(nil, 77, "nobody"), nil), "is in the order of sweeps, and has no row"},
		"kind":        {set([]byte("zebra"), nil), "rows that this version does not know, as \"zebra\""},
	} {
		t.Run(what, func(t *testing.T) {
			fs := vfs.NewMem()
			if ok, err := vfs.Clone(mem, fs, "data", "data"); err != nil || !ok {
				t.Fatalf("clone: %v", err)
			}
			db, err := pebble.Open("data", &pebble.Options{FS: fs, FormatMajorVersion: pebble.FormatValueSeparation, Logger: logger{b}})
			if err != nil {
				t.Fatal(err)
			}
			c.cut(t, db)
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			done, err := check(t.Context(), dataConfig("data"), fs, nil)
			if err != nil || !strings.Contains(strings.Join(done.First, "\n"), c.want) {
				t.Errorf("got %v, %q; want %q", err, done.First, c.want)
			}
		})
	}
}

// damagedStore makes a store of which a part of the largest file is nonsense.
func damagedStore(t *testing.T, share float64) (dir string) {
	t.Helper()
	dir = t.TempDir()
	b := opened(t, vfs.Default, dataConfig(dir))
	for i := range 4 {
		messages := make([]pabal.Message, 500)
		for j := range messages {
			messages[j] = pabal.Message{Key: fmt.Sprint(j % 7), Data: fmt.Appendf(nil, "%d %d %x", i, j, odd[10].Data[:40])}
		}
		publish(t, b, "all/a", pabal.Publish{Messages: messages})
		publish(t, b, "all/z", pabal.Publish{Messages: messages[:10]})
	}
	if err := errors.Join(b.db.Flush(), b.db.Compact(t.Context(), []byte{0}, []byte{255}, false), b.Close()); err != nil {
		t.Fatal(err)
	}
	tables, _ := filepath.Glob(filepath.Join(dir, "*.sst"))
	largest, size := "", int64(0)
	for _, name := range tables {
		if info, err := os.Stat(name); err == nil && info.Size() > size {
			largest, size = name, info.Size()
		}
	}
	f, err := os.OpenFile(largest, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt(bytes.Repeat([]byte{0xa5}, 3000), int64(share*float64(size)))
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	return dir
}

// What can be read of a damaged store goes into a new one. Who had read what
// was damaged is told to begin anew, nobody else is.
func TestDataDamaged(t *testing.T) {
	for _, share := range []float64{0.02, 0.6} {
		t.Run(fmt.Sprint(share), func(t *testing.T) {
			dir := damagedStore(t, share)
			found, err := check(t.Context(), dataConfig(dir), vfs.Default, nil)
			if err != nil || found.N == 0 || found.Channels != 2 {
				t.Fatalf("check: %+v, %v", found, err)
			}
			t.Logf("%d entries; %.300s", found.Entries, found.First)
			var out bytes.Buffer
			done, err := export(t.Context(), dataConfig(dir), vfs.Default, &out, nil, nil)
			if err != nil || done.N == 0 {
				t.Fatalf("export: %+v, %v", done, err)
			}
			if done.Channels != 2 || done.Entries < 1500 {
				t.Errorf("exported %d channels, %d entries", done.Channels, done.Entries)
			}
			fs := vfs.NewMem()
			made, err := importFrom(t.Context(), dataConfig("data"), fs, &out, nil)
			if err != nil || made.Entries != done.Entries {
				t.Fatalf("import: %+v, %v", made, err)
			}
			wantClean(t, fs, "data")
			b := opened(t, fs, dataConfig("data"))
			for _, ch := range []pabal.Channel{"all/a", "all/z"} {
				p := pabal.Position{Epoch: b.past.now().epoch, Offset: 100}
				page, err := b.Read(t.Context(), ch, pabal.Query{From: pabal.After(p), MaxEntries: 1 << 20, MaxBytes: 1 << 30})
				if err != nil {
					t.Fatal(err)
				}
				reset := page.Lost != nil && page.Lost.Reason.Reset()
				whole := ch == "all/z" && len(page.Entries) == 0 || ch == "all/a" && len(page.Entries) == 1900
				if !reset && !whole {
					t.Errorf("%s: %d entries after %v, lost %+v: something is missing, and nobody is told", ch, len(page.Entries), p, page.Lost)
				}
				publish(t, b, ch, pabal.Publish{Messages: []pabal.Message{{Key: "3", Data: []byte("on")}}})
			}
			if err := b.Close(); err != nil {
				t.Fatal(err)
			}
			wantClean(t, fs, "data")
		})
	}
}

// What is no whole export is refused, and leaves nothing.
func TestImportRefuses(t *testing.T) {
	fs := vfs.NewMem()
	b := opened(t, fs, dataConfig("data"))
	put(t, b, "all/a", 10, "k%d")
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	text := string(exported(t, fs, "data"))
	lines := strings.SplitAfter(text, "\n")
	for what, c := range map[string]struct{ text, want string }{
		"cut":           {text[:len(text)-100], "it was cut"},
		"cut in a line": {strings.Join(lines[:5], "")[:len(strings.Join(lines[:5], ""))-9], "it was cut"},
		"no end":        {strings.Join(lines[:len(lines)-2], ""), "it was cut"},
		"line lacking":  {strings.Join(lines[:4], "") + strings.Join(lines[5:], ""), "lines are missing"},
		"line twice":    {text + lines[2], "something follows"},
		"changed":       {strings.Replace(text, "all/a 3", "all/a 33", 1), "does not hold together"},
		"later":         {strings.Replace(text, `"version":1`, `"version":2`, 1), "use the release that wrote it"},
		"other":         {`{"pabal":"x"}`, "not the first line of an export"},
	} {
		t.Run(what, func(t *testing.T) {
			_, err := importFrom(t.Context(), dataConfig("new"), fs, strings.NewReader(c.text), nil)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if _, err := fs.Stat("new"); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the directory is there: %v", err)
			}
		})
	}
	t.Run("killed", func(t *testing.T) { // as far as it can be told from what that leaves
		tool := newTool(t.Context(), dataConfig("half"), fs, nil)
		if err := fs.MkdirAll("half", 0o700); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(tool.begin(), tool.close()); err != nil {
			t.Fatal(err)
		}
		if _, err := open(dataConfig("half"), fs); err == nil {
			t.Error("a server starts on half an import")
		}
		_, checked := check(t.Context(), dataConfig("half"), fs, nil)
		_, restored := importFrom(t.Context(), dataConfig("half"), fs, strings.NewReader(text), nil)
		_, published := importFrom(t.Context(), dataConfig("half"), fs, strings.NewReader(`{"channel":"a"}`), nil)
		for _, err := range []error{checked, restored, published} {
			if err == nil || !strings.Contains(err.Error(), "was cut off") {
				t.Errorf("got %v, want that it says what happened", err)
			}
		}
	})
	t.Run("interrupted", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := importFrom(ctx, dataConfig("new"), fs, strings.NewReader(text), nil); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		if _, err := fs.Stat("new"); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the directory is there: %v", err)
		}
	})
}

// Without its lives a store does not open, but what is in its logs is there.
func TestExportWithoutLives(t *testing.T) {
	fs := vfs.NewMem()
	b := opened(t, fs, dataConfig("data"))
	put(t, b, "all/a", 10, "k%d")
	was := b.past.now().epoch
	if err := errors.Join(b.db.Delete(lifeKey(0), nil), b.Close()); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	done, err := export(t.Context(), dataConfig("data"), fs, &out, nil, nil)
	if err != nil || done.N == 0 || done.Entries != 10 {
		t.Fatalf("export: %+v, %v", done, err)
	}
	if done, err := importFrom(t.Context(), dataConfig("new"), fs, &out, nil); err != nil || done.Renewed != 1 {
		t.Fatalf("import: %+v, %v", done, err)
	}
	wantClean(t, fs, "new")
	b = opened(t, fs, dataConfig("new"))
	page, err := b.Read(t.Context(), "all/a", pabal.Query{From: pabal.After(pabal.Position{Epoch: was, Offset: 4}), MaxEntries: 99, MaxBytes: 1 << 20})
	if err != nil || len(page.Entries) != 10 || page.Lost == nil || page.Lost.Reason != pabal.Unknown {
		t.Errorf("got %d entries, lost %+v, %v; want all, from the beginning", len(page.Entries), page.Lost, err)
	}
}

func TestExportMatching(t *testing.T) {
	fs := vfs.NewMem()
	b := opened(t, fs, dataConfig("data"))
	for _, ch := range []pabal.Channel{"all/a", "all/b", "latest/a"} {
		put(t, b, ch, 10, "k%d")
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	done, err := export(t.Context(), dataConfig("data"), fs, &out, func(ch pabal.Channel) bool { return ch == "all/b" }, nil)
	if err != nil || done.Channels != 1 || done.Entries != 10 || done.IDs != 4 {
		t.Fatalf("export: %+v, %v", done, err)
	}
	if done, err := importFrom(t.Context(), dataConfig("new"), fs, &out, nil); err != nil || done.Channels != 1 || done.IDs != 4 {
		t.Errorf("import: %+v, %v", done, err)
	}
	wantClean(t, fs, "new")
}

// The tools say what is wrong with a directory, and make none.
func TestDataDirectory(t *testing.T) {
	fs := vfs.NewMem()
	tools := func(dir string) (errs []error) {
		_, err := check(t.Context(), dataConfig(dir), fs, nil)
		errs = append(errs, err)
		_, err = export(t.Context(), dataConfig(dir), fs, io.Discard, nil, nil)
		errs = append(errs, err)
		_, err = compact(t.Context(), dataConfig(dir), fs, nil)
		return append(errs, err)
	}
	want := func(dir, text string) {
		t.Helper()
		for i, err := range tools(dir) {
			if err == nil || !strings.Contains(err.Error(), text) {
				t.Errorf("%s, tool %d: got %v, want %q", dir, i, err, text)
			}
		}
	}
	want("typo", "it is not there")
	if _, err := fs.Stat("typo"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it was made: %v", err)
	}
	if err := fs.MkdirAll("empty", 0o700); err != nil {
		t.Fatal(err)
	}
	want("empty", "there is no data in it")
	if names, err := fs.List("empty"); err != nil || len(names) > 0 {
		t.Errorf("there is %v in it, %v", names, err)
	}
	b := opened(t, fs, dataConfig("data"))
	put(t, b, "all/a", 100, "")
	want("data", "another process has it open")
	for _, text := range []string{`{"channel":"a"}`} {
		if _, err := importFrom(t.Context(), dataConfig("data"), fs, strings.NewReader(text), nil); err == nil || !strings.Contains(err.Error(), "another process has it open") {
			t.Errorf("import: %v", err)
		}
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	done, err := compact(t.Context(), dataConfig("data"), fs, nil)
	if err != nil || done.Before == 0 || done.After == 0 {
		t.Errorf("compact: %+v, %v", done, err)
	}
	if was := wantClean(t, fs, "data"); was.Entries != 100 {
		t.Errorf("after it there are %d entries", was.Entries)
	}
}

// A channel that is to keep the last of each key, and did not, or the other
// way round, is clean too, and comes back.
func TestDataOfOtherRules(t *testing.T) {
	fs := vfs.NewMem()
	latest := false
	c := dataConfig("data")
	c.Rules = func(pabal.Channel) Rules {
		return Rules{Retention: pabal.Retention{Entries: 5, Age: -1, Latest: latest, Keys: 8}}
	}
	for round := range 4 {
		b := opened(t, fs, c)
		put(t, b, "a", 12+5*round, "k%d")
		put(t, b, "b", 12+5*round, "")
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		wantClean(t, fs, "data")
		text := exported(t, fs, "data")
		c := dataConfig(fmt.Sprint("new", round))
		if _, err := importFrom(t.Context(), c, fs, bytes.NewReader(text), nil); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if again := exported(t, fs, c.Dir); !bytes.Equal(again, text) {
			t.Fatalf("round %d, exported again:\n%s\nwas\n%s", round, firstDifference(again, text), firstDifference(text, again))
		}
		latest = !latest
	}
}
