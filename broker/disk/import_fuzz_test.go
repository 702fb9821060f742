package disk

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/wire"
)

// smallExport is an export that has a line of each kind.
func smallExport(f *testing.F) string {
	f.Helper()
	fs := vfs.NewMem()
	b, err := open(dataConfig("data"), fs)
	if err != nil {
		f.Fatal(err)
	}
	for _, p := range []struct {
		channel pabal.Channel
		pabal.Publish
	}{
		{"all/a", pabal.Publish{Messages: []pabal.Message{{Data: []byte("x")}, {ID: "i\xff", Key: "k", Data: []byte("\xff")}}}},
		{"latest/a", pabal.Publish{BatchID: "b", Messages: []pabal.Message{{Key: "k", Data: []byte("1")}, {Key: "k", Data: []byte("2")}, {Data: []byte("3")}}}},
		{"never/a", pabal.Publish{Messages: []pabal.Message{{ContentType: "application/json", Data: []byte("{}")}}, Close: true}},
	} {
		if _, err := b.Append(f.Context(), p.channel, p.Publish); err != nil {
			f.Fatal(err)
		}
	}
	err = errors.Join(b.Delete(f.Context(), "latest/a"), b.Close())
	var out bytes.Buffer
	_, failed := export(f.Context(), dataConfig("data"), fs, &out, nil, nil)
	if err := errors.Join(err, failed); err != nil {
		f.Fatal(err)
	}
	return out.String()
}

// Whatever is imported as an export, nothing of it is left if it is refused;
// else the store holds together, opens, and is exported as the same again.
func FuzzRestore(f *testing.F) {
	text := smallExport(f)
	lines := strings.SplitAfter(text, "\n")
	f.Add([]byte(text))
	f.Add([]byte(text[:len(text)-9]))
	f.Add([]byte(text + lines[1]))
	f.Add([]byte(strings.Replace(text, `"damaged":false`, `"damaged":true`, 1)))
	f.Add([]byte(strings.Replace(text, `"log":"all/a"`, `"log":"all/a","damaged":true`, 1)))
	f.Add([]byte(strings.ReplaceAll(text, `"life":0`, `"life":2`)))
	f.Fuzz(func(t *testing.T, text []byte) {
		if !bytes.HasPrefix(bytes.TrimSpace(text), []byte(`{"pabal":`)) {
			return // messages
		}
		fs := vfs.NewMem()
		done, err := importFrom(t.Context(), dataConfig("data"), fs, bytes.NewReader(text), nil)
		if err != nil {
			if _, there := fs.Stat("data"); !errors.Is(there, os.ErrNotExist) || done != (Imported{}) || !strings.Contains(err.Error(), "nothing was imported") {
				t.Errorf("refused with %v, and it left %+v, %v", err, done, there)
			}
			return
		}
		wantClean(t, fs, "data")
		first := exported(t, fs, "data")
		if _, err := importFrom(t.Context(), dataConfig("again"), fs, bytes.NewReader(first), nil); err != nil {
			t.Fatalf("the export of what was imported: %v\n%s", err, first)
		}
		if again := exported(t, fs, "again"); !bytes.Equal(first, again) {
			t.Errorf("exported again, %s\nis %s", first, again)
		}
		opens(t, fs, first)
	})
}

// opens checks that a server starts on the store, and that each channel of it
// can be read and written.
func opens(t *testing.T, fs vfs.FS, text []byte) {
	t.Helper()
	b, err := open(dataConfig("data"), fs)
	if err != nil {
		t.Fatalf("a server does not start on it: %v\n%s", err, text)
	}
	defer b.Close()
	all, err := b.Channels(t.Context(), "", "", 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, ch := range all {
		page, err := b.Read(t.Context(), ch, pabal.Query{MaxEntries: 1000, MaxBytes: 1 << 20})
		if err != nil {
			t.Fatalf("channel %s: %v", ch, err)
		}
		at := pabal.Offset(0)
		for _, e := range page.Entries {
			if e.Offset <= at || e.Prev >= e.Offset {
				t.Errorf("channel %s: %+v follows offset %d", ch, e, at)
			}
			at = e.Offset
		}
		done, err := b.Append(t.Context(), ch, pabal.Publish{Messages: []pabal.Message{{Data: []byte("next")}}})
		if errors.Is(err, pabal.ErrClosed) && page.Closed {
			continue
		}
		if err != nil || done.End.Offset <= at {
			t.Errorf("channel %s: what is published after %d is at %v, %v", ch, at, done.End, err)
		}
	}
}

// Of lines of messages each is kept in its channel, in order and once for its
// ID; or nothing is, if one of their batch is wrong.
func FuzzImport(f *testing.F) {
	for _, text := range []string{
		`{"channel":"all/a","data":"x"}`, `{"channel":"all/a","id":"1","time":"2020-01-01T00:00:00Z","cursor":"z-1","data":{"n":1}}`,
		`{"channel":"latest/a","key":"k","type":"t","contentType":"image/png","encoding":"base64","data":"/w=="}` + "\n\r\n" + `{"channel":"latest/a"}`,
		`{"channel":"all/a"} {}`, `{"channel":"$host"}`, `{"channel":"all/a","datum":1}`, `{"channel":"all/a","time":"2999-01-01T00:00:00Z"}`,
		"{\"channel\":\"all/a\",\"data\":\"\xff\"}", `{"channel":"all/a","data":"x"}` + "\n" + `{"channel":`, `{"channel":"all/a","type":"$x"}`,
		`{"channel":"all/a","id":"1","data":"x"}` + "\n" + `{"channel":"all/a","id":"1","data":"y"}`, "", "\n",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if bytes.HasPrefix(bytes.TrimSpace(text), []byte(`{"pabal":`)) {
			return // an export
		}
		fs := vfs.NewMem()
		done, err := importFrom(t.Context(), dataConfig("data"), fs, bytes.NewReader(text), nil)
		want, wrong := messagesOf(text)
		if (err != nil) != wrong {
			t.Fatalf("got %+v, %v; is there something wrong: %v", done, err, wrong)
		}
		if wrong {
			if done.Entries != 0 && bytes.Count(text, []byte("\n")) < batchMessages && len(text) < batchBytes {
				t.Errorf("got %+v beside %v", done, err)
			}
			return
		}
		if int(done.Entries+done.Repeated) != len(want) {
			t.Errorf("got %+v of %d lines", done, len(want))
		}
		wantClean(t, fs, "data")
		stored, keep := 0, true // keep: nothing that the channels' rules drop
		for _, m := range want {
			r := dataRules(pabal.Channel(m.channel))
			keep = keep && r.Entries == 1<<20 && r.Age < 0
		}
		for ch, got := range storedMessages(t, fs) {
			for _, m := range want {
				if pabal.Channel(m.channel) == ch && len(got) > 0 && m.ID == got[0].ID && m.Digest() == got[0].Digest() {
					got, stored = got[1:], stored+1
				}
			}
			if len(got) > 0 {
				t.Errorf("channel %s has %+v, which is not there, or not in that place", ch, got[0])
			}
		}
		if keep && stored != int(done.Entries) {
			t.Errorf("%d messages are there of %+v", stored, done)
		}
	})
}

type channelMessage struct {
	channel string
	pabal.Message
}

// messagesOf takes text apart; wrong says that a line of it is none, or that
// there is none at all.
func messagesOf(text []byte) (all []channelMessage, wrong bool) {
	digests := map[string]pabal.Digest{}
	for line := range bytes.SplitSeq(text, []byte("\n")) {
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		item, err := parseItem(line, time.Now())
		if err != nil {
			return nil, true
		}
		m := channelMessage{string(item.channel), item.message}
		id := fmt.Sprintf("%s %s", m.channel, m.ID)
		if digest, ok := digests[id]; ok && m.ID != "" && digest != m.Digest() {
			return nil, true
		}
		digests[id] = m.Digest()
		all = append(all, m)
	}
	return all, len(all) == 0
}

func storedMessages(t *testing.T, fs vfs.FS) map[pabal.Channel][]pabal.Message {
	t.Helper()
	b, err := open(dataConfig("data"), fs)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	all, err := b.Channels(t.Context(), "", "", 1000)
	if err != nil {
		t.Fatal(err)
	}
	found := map[pabal.Channel][]pabal.Message{}
	for _, ch := range all {
		page, err := b.Read(t.Context(), ch, pabal.Query{MaxEntries: 1000, MaxBytes: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Entries {
			found[ch] = append(found[ch], e.Message)
		}
	}
	return found
}

// What is imported as a message is one that a batch over HTTP would publish:
// the same line without what only an import has. Nothing else is.
func FuzzItem(f *testing.F) {
	for _, members := range []string{
		``, `"data":"x"`, `"data":{"a":[1]}`, `"data":null`, `"encoding":"base64","data":"/w=="`, `"encoding":"base64","data":"?"`, `"encoding":"gzip"`,
		`"contentType":"text/html","data":1`, `"contentType":"application/json","data":"s"`, `"id":1`, `"id":"a\u0000"`, `"type":"$x"`, `"type":"open"`, `"key":"\ud800"`, `"other":1`, `"data":"x"} {`, "\"data\":\"\xff\"",
	} {
		f.Add([]byte(members))
	}
	f.Fuzz(func(t *testing.T, members []byte) {
		if bytes.ContainsAny(members, "\n\r") {
			return
		}
		for _, name := range []string{"channel", "cursor", "time"} {
			if bytes.Contains(bytes.ToLower(members), []byte(name)) {
				return // which a publish has elsewhere
			}
		}
		comma := ""
		if len(bytes.TrimSpace(members)) > 0 {
			comma = ","
		}
		item, err := parseItem(fmt.Appendf(nil, `{"channel":"a"%s%s}`, comma, members), time.Now())
		batch, refused := wire.ParseMessages(fmt.Appendf(nil, `{%s}`, members), 1)
		if refused == nil && (err != nil || item.message.ID != batch[0].ID || item.message.Digest() != batch[0].Digest()) {
			t.Errorf("%s: an import has %+v, %v, and a publish %+v", members, item.message, err, batch[0])
		}
		if err == nil && item.message.Check() != nil {
			t.Errorf("%s: %+v was taken", members, item.message)
		}
	})
}
