package disk

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/pabal/pabal"
)

func importLines(t *testing.T, fs vfs.FS, lines ...string) (Imported, error) {
	t.Helper()
	return importFrom(t.Context(), dataConfig("data"), fs, strings.NewReader(strings.Join(lines, "\n")), nil)
}

// entriesOf opens the store, and reads what ch has.
func entriesOf(t *testing.T, fs vfs.FS, ch pabal.Channel) (all []*pabal.Entry) {
	t.Helper()
	b, err := open(dataConfig("data"), fs)
	if err != nil {
		t.Fatal(err)
	}
	page, err := b.Read(t.Context(), ch, pabal.Query{MaxEntries: 1 << 20, MaxBytes: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	wantClean(t, fs, "data")
	return page.Entries
}

// Messages are appended as they come, with the time that they have, and known
// by their IDs if they come again.
func TestImportMessages(t *testing.T) {
	fs := vfs.NewMem()
	var lines []string
	for i := range 2500 {
		at := time.Date(2020, 1, 1, 0, 0, i, 5, time.FixedZone("", 3600)).Format(time.RFC3339Nano)
		lines = append(lines, fmt.Sprintf(`{"channel":"all/%d","id":"%d","key":"k%d","time":%q,"data":{"n": %d}}`, i%3, i, i%7, at, i))
	}
	lines = append(lines, "", `{"channel":"all/0","time":"2019-01-01T00:00:00Z","data":"older", "cursor":"x-1"}`, `{"channel":"never/a"}`,
		`{"channel":"latest/a","key":"a","encoding":"base64","contentType":"image/png","data":"/w=="}`)
	for round, want := range []Imported{{Entries: 2503}, {Entries: 3, Repeated: 2500}} {
		done, err := importLines(t, fs, lines...)
		if err != nil || done != want {
			t.Fatalf("round %d: got %+v, %v, want %+v", round, done, err, want)
		}
	}
	all := entriesOf(t, fs, "all/0")
	if len(all) != 834+2 {
		t.Fatalf("%d entries", len(all))
	}
	e := all[1]
	if want := time.Date(2019, 12, 31, 23, 0, 3, 5, time.UTC); !e.Time.Equal(want) || string(e.Data) != `{"n": 3}` || e.ContentType != "application/json" || e.Key != "k3" {
		t.Errorf("got %v %+v, want time %v", e.Time, e.Message, want)
	}
	if last := all[834]; string(last.Data) != "older" || !last.Time.Equal(all[833].Time) {
		t.Errorf("after %v comes %v, %q: time goes back", all[833].Time, last.Time, last.Data)
	}
	if got := entriesOf(t, fs, "latest/a"); len(got) != 2 || string(got[0].Data) != "\xff" || time.Since(got[0].Time) > time.Hour {
		t.Errorf("got %v", got)
	}
}

// A line that is wrong ends it, with its number, and nothing of its batch is
// kept.
func TestImportWrongLines(t *testing.T) {
	for what, c := range map[string]struct{ line, want string }{
		"no JSON":    {`{"channel":"all/a"`, "unexpected EOF"},
		"twice":      {`{"channel":"all/a"} {}`, "something follows the object"},
		"unknown":    {`{"channel":"all/a","datum":1}`, `unknown field "datum"`},
		"no channel": {`{"data":"x"}`, "the channel has no name"},
		"bad name":   {`{"channel":"a b"}`, "byte ' ' is not allowed"},
		"own":        {`{"channel":"$host/cpu"}`, "Pabal's own"},
		"encoding":   {`{"channel":"all/a","encoding":"hex","data":"00"}`, "base64 is the only one"},
		"type":       {`{"channel":"all/a","type":"$x"}`, "a type may not begin with $"},
		"future":     {`{"channel":"all/a","time":"2999-01-01T00:00:00Z"}`, "in the future"},
		"time":       {`{"channel":"all/a","time":"yesterday"}`, "parsing time"},
		"no UTF-8":   {"{\"channel\":\"all/a\",\"data\":\"\xff\"}", "JSON is UTF-8"},
		"conflict":   {`{"channel":"all/a","id":"1500","data":"other"}`, "another content"},
		"closed":     {`{"channel":"closed/a","data":"x"}`, "is closed"},
	} {
		t.Run(what, func(t *testing.T) {
			fs := vfs.NewMem()
			b := opened(t, fs, dataConfig("data"))
			publish(t, b, "closed/a", pabal.Publish{Close: true, Messages: []pabal.Message{{}}})
			if err := b.Close(); err != nil {
				t.Fatal(err)
			}
			var lines []string
			for i := range 2700 {
				lines = append(lines, fmt.Sprintf(`{"channel":"all/a","id":"%d"}`, i))
			}
			lines[2500] = c.line
			done, err := importLines(t, fs, lines...)
			if err == nil || !strings.Contains(err.Error(), "line 2501: ") || !strings.Contains(err.Error(), c.want) ||
				!strings.Contains(err.Error(), "begins on line 2001") || !strings.Contains(err.Error(), "2000 messages of the lines before were imported") {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if got := entriesOf(t, fs, "all/a"); len(got) != 2000 || done.Entries != 2000 {
				t.Errorf("%d entries are there, and %d are said to be", len(got), done.Entries)
			}
		})
	}
}

// What is old does not close its channel while it comes, and is swept by the
// server.
func TestImportIsSweptLater(t *testing.T) {
	fs := vfs.NewMem()
	c := dataConfig("data")
	c.Rules = func(pabal.Channel) Rules {
		return Rules{Retention: pabal.Retention{Age: -1, CloseAfter: time.Hour}}
	}
	line := `{"channel":"a","time":"2020-01-01T00:00:00Z"}` + "\n"
	if done, err := importFrom(t.Context(), c, fs, strings.NewReader(strings.Repeat(line, 3000)), nil); err != nil || done.Entries != 3000 {
		t.Fatalf("%+v, %v", done, err)
	}
	b := opened(t, fs, c)
	closed := make(chan struct{}, 9)
	if _, err := b.Tail(t.Context(), "a", func(*pabal.Entry) { closed <- struct{}{} }); err != nil {
		t.Fatal(err)
	}
	page, err := b.Read(t.Context(), "a", pabal.Query{})
	if err != nil || !page.Closed {
		<-closed
	}
}
