package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// The tools say what they did, and end as they should.
func TestData(t *testing.T) {
	defer goleak.VerifyNone(t)
	dir := t.TempDir()
	t.Chdir(dir)
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("messages", `{"channel":"sports/a","id":"1","data":"hi"}`+"\n"+`{"channel":"news","time":"2026-01-01T00:00:00.5Z","data":{"a": 1}}`+"\n")
	expect(t, 0, "imported 2 entries\n", "data", "import", "messages")
	expect(t, 0, "imported 1 entries; 1 were there already\n", "data", "import", "messages", "--data", "./pabal-data")
	expect(t, 0, "all is well: 2 channels, 3 entries, 1 known IDs\n", "data", "check")
	expect(t, 0, "exported 2 channels, 3 entries, 1 known IDs\n", "data", "export", "--output", "all")
	expect(t, 1, "file exists", "data", "export", "--output", "all")
	expect(t, 0, "imported 3 entries of 2 channels, and 1 known IDs\n", "data", "import", "--data", "new", "all")
	expect(t, 1, "there is data in it", "data", "import", "--data", "new", "all")
	expect(t, 0, "compacted: ", "data", "compact", "--data", "new")
	expect(t, 0, "exported 1 channels, 1 entries, 1 known IDs\n", "data", "export", "--data", "new", "--channel", "sports/*", "-o", "some")
	if info, err := os.Stat("all"); err != nil || info.Mode() != 0o600 {
		t.Errorf("the mode of the file: %v, %v", info.Mode(), err)
	}
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"data", "export", "--data", "new"}, &out, &errs); code != 0 || errs.String() != "exported 2 channels, 3 entries, 1 known IDs\n" {
		t.Errorf("to standard output: got %d, %q", code, &errs)
	}
	all, err := os.ReadFile("all")
	if err != nil || !bytes.Equal(all, out.Bytes()) {
		t.Errorf("exported again:\n%s\nwant\n%s", &out, all)
	}
	if !strings.Contains(out.String(), `"contentType":"application/json","encoding":"base64","data":"eyJhIjogMX0="`) {
		t.Errorf("the white space of JSON is not there:\n%s", &out)
	}
}

func TestDataErrors(t *testing.T) {
	defer goleak.VerifyNone(t)
	dir := t.TempDir()
	t.Chdir(dir)
	for _, command := range []string{"check", "export", "compact"} {
		expect(t, 1, "data directory typo: it is not there", "data", command, "--data", "typo")
	}
	expect(t, 1, "data directory typo: it is not there", "data", "export", "--data", "typo", "-o", "left")
	for _, name := range []string{"typo", "left"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			t.Errorf("%s was made", name)
		}
	}
	expect(t, 1, "no such file", "data", "import", "nowhere")
	expect(t, 2, `--channel: "a b" matches no channel`, "data", "export", "--channel", "a b")
	expect(t, 1, "with broker memory there is no data directory", "data", "check", "--broker", "memory")
	expect(t, 2, "unknown flag --out", "data", "check", "--out", "x")
	if err := os.WriteFile("wrong", []byte("{\"channel\":\"a\"}\n{\"channel\":\"a\",\"dta\":1}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	expect(t, 1, `pabal: line 2: this is not what it should be: json: unknown field "dta"; nothing of its batch, which begins on line 1, was imported; 0 messages`, "data", "import", "wrong")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got, code := command(ctx, "data", "import", "wrong"); code != exitInterrupted {
		t.Errorf("interrupted: got %d, %q", code, got)
	}
}

// What is damaged is said, and what to do.
func TestDataDamaged(t *testing.T) {
	defer goleak.VerifyNone(t)
	t.Chdir(t.TempDir())
	var lines strings.Builder
	for range 500 {
		lines.WriteString(`{"channel":"a","data":"` + strings.Repeat("x", 40) + `"}` + "\n" + `{"channel":"b"}` + "\n")
	}
	if err := os.WriteFile("messages", []byte(lines.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	expect(t, 0, "imported 1000 entries", "data", "import", "messages")
	expect(t, 0, "compacted", "data", "compact")
	tables, err := filepath.Glob("pabal-data/*.sst")
	if err != nil || len(tables) != 1 {
		t.Fatalf("tables: %v, %v", tables, err)
	}
	f, err := os.OpenFile(tables[0], os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("damaged"), 100); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	expect(t, 1, "pabal data export --output FILE", "data", "check")
	expect(t, 1, `channel "a": entries from offset`, "data", "check")
	expect(t, 1, "What was exported is all the rest", "data", "export", "-o", "rest")
	expect(t, 0, "1 channels that were damaged begin anew", "data", "import", "--data", "new", "rest")
	expect(t, 0, "all is well: 2 channels", "data", "check", "--data", "new")
}
