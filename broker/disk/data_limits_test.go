package disk

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// An import ends with the reason, and keeps nothing of what came with it, where
// the store has no room, the lines contradict each other, or they end too soon.
func TestImportEnds(t *testing.T) {
	const line = `{"channel":"all/a","id":"1","data":"x"}` + "\n"
	broken := errors.New("the pipe broke")
	for what, c := range map[string]struct {
		in    io.Reader
		limit func(*Config)
		want  string
	}{
		"nothing":      {strings.NewReader(""), nil, "there is no line to import"},
		"blank lines":  {strings.NewReader("\n \r\n\t"), nil, "there is no line to import"},
		"broken off":   {io.MultiReader(strings.NewReader(line), iotest.ErrReader(broken)), nil, "the pipe broke"},
		"at once":      {iotest.ErrReader(broken), nil, "the pipe broke"},
		"in an export": {io.MultiReader(strings.NewReader(strings.SplitAfter(deletedExport, "\n")[0]), iotest.ErrReader(broken)), nil, "the pipe broke"},
		"twins":        {strings.NewReader(line + strings.Replace(line, `"x"`, `"y"`, 1)), nil, "line 2: this id was used within its window for another content"},
		"no channel":   {strings.NewReader(line + strings.Replace(line, "all/a", "all/b", 1)), func(c *Config) { c.Channels = 1 }, `line 2: channel "all/b": the limit stored-channels is 1`},
		"no space":     {strings.NewReader(line), func(c *Config) { c.MinFree = 1 << 20 }, "free"},
	} {
		t.Run(what, func(t *testing.T) {
			config := dataConfig("data")
			if c.limit != nil {
				c.limit(&config)
			}
			fs := &smallDisk{FS: vfs.NewMem()} // of which nothing is free
			done, err := importFrom(t.Context(), config, fs, c.in, nil)
			if err == nil || !strings.Contains(err.Error(), c.want) || done.Entries != 0 {
				t.Errorf("got %+v, %v; want nothing kept, and something about %q", done, err, c.want)
			}
			if _, err := importLines(t, fs, line); err != nil {
				t.Errorf("and then: %v", err)
			}
		})
	}
}

// deletedExport is of a store with one channel, which was deleted.
const deletedExport = `{"pabal":"export","version":1,"life":0,"reserve":0,"lax":false,"clean":true,"lives":[{"begins":"1-0","floors":[[3,5]]}],"floors":[[3,7],[1023,9]]}
{"log":"all/a","life":0,"closed":false,"first":[2,1,1],"last":[2,1,1],"end":2,"fresh":2,"deleted":2,"cut":"deleted","time":5,"touched":6,"due":0,"keys":{"keyed":false,"kept":false,"n":0,"floor":0},"past":{"from":0,"ends":null}}
{"known":"i","namespace":"","number":0,"channel":"all/a","digest":"00000000000000000000000000000000","cursor":"1-1","n":1,"time":"2026-01-01T00:00:00Z"}
{"end":"export","channels":1,"entries":0,"ids":1}
`

// Each line of an export that is wrong is named by its number, and nothing is
// left of what came before.
func TestRestoreNamesLines(t *testing.T) {
	const entry = `{"channel":"all/a","cursor":"1-3","time":"2026-01-01T00:00:00Z","data":"x"}`
	lines := strings.SplitAfter(deletedExport, "\n")
	at := func(n int, text string) string {
		return strings.Join(lines[:n-1], "") + text + "\n" + strings.Join(lines[n-1:], "")
	}
	for what, c := range map[string]struct{ text, want string }{
		"no lives":         {strings.Replace(deletedExport, `{"begins":"1-0","floors":[[3,5]]}`, "", 1), "line 1: "},
		"lives before 0":   {strings.Replace(deletedExport, `[{"begins":"1-0","floors":[[3,5]]}`, `[{"begins":"1-0"},{"begins":"2-0"}`, 1), "line 1: "},
		"too many lives":   {strings.Replace(strings.Replace(deletedExport, `"life":0`, `"life":99`, 1), `[{"begins":"1-0","floors":[[3,5]]}`, `[`+strings.Repeat(`{"begins":"1-0"},`, lifetimes)+`{"begins":"2-0"}`, 1), "line 1: "},
		"cursor of a life": {strings.Replace(deletedExport, `"begins":"1-0"`, `"begins":"?"`, 1), "line 1: "},
		"floor of a life":  {strings.Replace(deletedExport, `[3,5]`, `[1024,5]`, 1), "line 1: "},
		"floor":            {strings.Replace(deletedExport, `[1023,9]`, `[1024,9]`, 1), "line 1: "},
		"unknown member":   {strings.Replace(deletedExport, `"reserve"`, `"reserved"`, 1), "line 1: "},
		"another kind":     {at(3, `{"tag":"x"}`), "line 3: it begins with "},
		"log":              {at(3, `{"log":7}`), "line 3: "},
		"log's name":       {at(3, strings.Replace(lines[1], "all/a", "all /a", 1)), "line 3: "},
		"log's order":      {at(3, strings.TrimSpace(lines[1])), `line 3: channel "all/a" follows "all/a"`},
		"log's life":       {strings.Replace(deletedExport, `"log":"all/a","life":0`, `"log":"all/a","damaged":true,"life":-999999999999`, 1), "line 2: "},
		"entry of nothing": {at(2, entry), "line 2: an entry of channel"},
		"entry elsewhere":  {at(3, strings.Replace(entry, "all/a", "all/b", 1)), "line 3: an entry of channel"},
		"entry's member":   {at(3, strings.Replace(entry, "data", "datum", 1)), "line 3: "},
		"entry's cursor":   {at(3, strings.Replace(entry, "1-3", "?", 1)), "line 3: "},
		"entry's data":     {at(3, strings.Replace(entry, `"data"`, `"encoding":"base64","data"`, 1)), "line 3: "},
		"entry's time":     {at(3, strings.Replace(entry, `"time":"2026-01-01T00:00:00Z",`, "", 1)), "without a time"},
		"ID's member":      {at(3, `{"known":"i","what":1}`), "line 3: "},
		"ID's cursor":      {strings.Replace(deletedExport, `"cursor":"1-1"`, `"cursor":""`, 1), "line 3: "},
		"ID's digest":      {strings.Replace(deletedExport, `"digest":"00`, `"digest":"`, 1), "line 3: digest "},
		"end":              {strings.Replace(deletedExport, `"end":"export"`, `"end":1`, 1), "line 4: "},
		"does not agree":   {strings.Replace(deletedExport, `"end":2`, `"end":1`, 1), "does not hold together"},
	} {
		t.Run(what, func(t *testing.T) {
			fs := vfs.NewMem()
			_, err := importFrom(t.Context(), dataConfig("data"), fs, strings.NewReader(c.text), nil)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "nothing was imported") {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	fs := vfs.NewMem()
	if done, err := importFrom(t.Context(), dataConfig("data"), fs, strings.NewReader(deletedExport), nil); err != nil || done != (Imported{Channels: 1, IDs: 1}) {
		t.Errorf("as it should be: got %+v, %v", done, err)
	}
}

// Who ends a check, an export or an import of messages has it end with that
// reason.
func TestToolsEnd(t *testing.T) {
	mem := variedStore(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, checked := check(ctx, dataConfig("data"), mem, nil)
	_, exported := export(ctx, dataConfig("data"), mem, io.Discard, nil, nil)
	_, imported := importFrom(ctx, dataConfig("data"), mem, strings.NewReader(`{"channel":"all/a","data":"x"}`), nil)
	for what, err := range map[string]error{"check": checked, "export": exported, "import": imported} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v, want %v", what, err, context.Canceled)
		}
	}
}
