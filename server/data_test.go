package server

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pabal/pabal"
)

// The tools work on the data of a server, with its rules, and only while it is
// stopped.
func TestData(t *testing.T) {
	cfg := testConfig()
	cfg.Storage.Broker, cfg.Storage.Data = "disk", filepath.Join(t.TempDir(), "data")
	log := slog.New(slog.DiscardHandler)
	data, err := NewData(cfg, log, nil)
	if err != nil {
		t.Fatal(err)
	}
	b, _, err := openBroker(cfg, log)
	if err != nil {
		t.Fatal(err)
	}
	for _, ch := range []pabal.Channel{"a/1", "a/2", "b"} {
		if _, err := b.Append(t.Context(), ch, pabal.Publish{Messages: []pabal.Message{{Data: []byte("x")}}}); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	_, checking := data.Check(t.Context())
	_, exporting := data.Export(t.Context(), &out, nil)
	_, importing := data.Import(t.Context(), strings.NewReader(`{"channel":"a"}`))
	_, compacting := data.Compact(t.Context())
	for i, err := range []error{checking, exporting, importing, compacting} {
		if err == nil || !strings.Contains(err.Error(), "another process has it open; stop that one") {
			t.Errorf("tool %d, while a server runs: got %v", i, err)
		}
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if done, err := data.Check(t.Context()); err != nil || done.N > 0 || done.Channels != 3 {
		t.Errorf("check: %+v, %v", done, err)
	}
	if done, err := data.Export(t.Context(), &out, []string{"b", "a/*2"}); err != nil || done.Channels != 2 {
		t.Errorf("export: %+v, %v", done, err)
	}
	if err := os.RemoveAll(cfg.Storage.Data); err != nil {
		t.Fatal(err)
	}
	if done, err := data.Import(t.Context(), &out); err != nil || done.Channels != 2 {
		t.Errorf("import: %+v, %v", done, err)
	}
	if done, err := data.Compact(t.Context()); err != nil || done.After == 0 {
		t.Errorf("compact: %+v, %v", done, err)
	}
	if err := CheckPatterns([]string{"a", "a//b"}); err == nil {
		t.Error("a pattern that matches nothing is allowed")
	}
	cfg.Storage.Broker = "memory"
	if _, err := NewData(cfg, log, nil); err == nil {
		t.Error("there is data of the memory broker")
	}
}
