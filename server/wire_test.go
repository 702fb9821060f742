package server

import (
	"bufio"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/broker/disk"
	"github.com/pabal/pabal/call"
	"github.com/pabal/pabal/internal/pattern"
	"github.com/pabal/pabal/server/config"
)

// What the configuration says is the default is the engine's own.
func TestLimits(t *testing.T) {
	if got, want := limits(config.Default()).WithDefaults(), (pabal.Limits{}).WithDefaults(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	c := config.Default()
	c.Readers.SessionsPerAddress, c.Keep.KeepEntries, c.Keep.KeepAge = 0, 0, 0
	if got := limits(c).SessionsPerAddress; got < 1e9 {
		t.Errorf("no limit on sessions of an address: got %d", got)
	}
	if got := retention("", c.Keep); got.Entries >= 0 || got.Age >= 0 || got.Bytes != 16<<20 {
		t.Errorf("no limit on entries and age: got %+v, want them below zero, and 16 MiB", got)
	}
}

// Unset, it keeps what a broker does by default.
func TestRules(t *testing.T) {
	c := config.Default()
	c.Namespaces = config.Namespaces{
		{Name: "live", Match: []pattern.Pattern{"sports/live"}, Keep: config.Keep{Keep: "latest", KeepEntries: 5, KeepKeys: 6, Sync: "never", IDs: 7}},
		{Name: "slow", Match: []pattern.Pattern{"sports/*"}, Keep: config.Keep{KeepBytes: 5, KeepAge: time.Hour, Sync: "interval", IDWindow: time.Minute, CloseAfter: time.Second}},
		{Name: "few", Match: []pattern.Pattern{"$user/few"}, Keep: config.Keep{KeepEntries: 3, Sync: "always"}, Policy: config.Policy{CallTimeout: 30 * time.Minute}},
	}
	rules, err := newRules(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, ch := range []pabal.Channel{"$presence/chat", "$-/leases"} {
		if got := rules.of(ch); !got.Latest || got.Sync != disk.SyncInterval {
			t.Errorf("%s: got %+v, want each key's last entry to be kept", ch, got)
		}
	}
	calls := call.Retention
	calls.Age, calls.IDWindow = time.Hour, time.Hour // twice the longest
	for ch, want := range map[pabal.Channel]disk.Rules{
		"chat":        {Retention: pabal.Retention{}.WithDefaults()},
		"$host/cpu":   {Retention: pabal.Retention{}.WithDefaults()},
		"$conn/x":     {Retention: pabal.Retention{Namespace: "$conn", Age: 24 * time.Hour, Entries: 1000, Bytes: 4 << 20, IDs: 1_000_000, IDWindow: 24 * time.Hour}, Sync: disk.SyncInterval},
		"$user/ann":   {Retention: pabal.Retention{Namespace: "$user", Age: 168 * time.Hour, Entries: 1000}},
		"$user/few":   {Retention: pabal.Retention{Entries: 3, Bytes: -1, Age: -1, Namespace: "few"}},
		"$calls/shop": {Retention: pabal.Retention{Namespace: "$calls", Age: time.Hour, Entries: 10_000}, Sync: disk.SyncInterval},
		"$-/call/x":   {Retention: calls, Sync: disk.SyncInterval},
		"$-/x":        {Retention: pabal.Retention{Namespace: "$-", Age: 24 * time.Hour, Latest: true, Keys: 10_000}, Sync: disk.SyncInterval},
		"sports/live": {Retention: pabal.Retention{Entries: 5, Bytes: -1, Age: -1, Latest: true, Keys: 6, Namespace: "live", IDs: 7}, Sync: disk.SyncNever},
		"sports/kbo":  {Retention: pabal.Retention{Entries: -1, Bytes: 5, Age: time.Hour, CloseAfter: time.Second, Namespace: "slow", IDWindow: time.Minute}, Sync: disk.SyncInterval},
	} {
		if got := rules.of(ch); got != want {
			t.Errorf("%s: got %+v, want %+v", ch, got, want)
		}
	}
}

// What a broker does with a channel hangs on its namespace.
func TestNamespacesOfMemory(t *testing.T) {
	cfg := testConfig()
	few := cfg.Keep
	few.KeepEntries = 2
	cfg.Namespaces = config.Namespaces{{Name: "few", Match: []pattern.Pattern{"few/*"}, Keep: few}}
	b, health, err := openBroker(cfg, slog.New(slog.DiscardHandler))
	if err != nil || health != nil {
		t.Fatalf("the memory broker: health is there: %v, error %v; want neither", health != nil, err)
	}
	defer b.Close()
	for ch, want := range map[pabal.Channel]int{"few": 3, "few/a": 2} {
		if _, err := b.Append(t.Context(), ch, pabal.Publish{Messages: make([]pabal.Message, 3)}); err != nil {
			t.Fatal(err)
		}
		page, err := b.Read(t.Context(), ch, pabal.Query{MaxEntries: 10, MaxBytes: 100})
		if err != nil || len(page.Entries) != want {
			t.Errorf("%s: got %d entries, %v; want %d", ch, len(page.Entries), err, want)
		}
	}
}

// By default what was published outlives the node.
func TestNodeOnDisk(t *testing.T) {
	cfg := testConfig()
	cfg.Storage = config.Default().Storage
	cfg.Storage.Data = filepath.Join(t.TempDir(), "data")
	for _, want := range []string{`"entries":[]`, `"data":"hello"`} {
		node, err := New(cfg, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if err := node.parts.health(); err != nil {
			t.Errorf("health: %v", err)
		}
		s := run(t, node)
		c := client(t, http1, nil)
		if status, body := get(t, c, s.url+"/channels/chat?via=poll"); status != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("got %d %s, want %s", status, body, want)
		}
		res, err := c.Post(s.url+"/channels/chat", "text/plain", strings.NewReader("hello"))
		if err != nil {
			t.Fatal(err)
		}
		if body := bodyOf(t, res); res.StatusCode != http.StatusOK {
			t.Fatalf("publish: got %s %s", res.Status, body)
		}
		c.CloseIdleConnections()
		s.stop()
	}
	cfg.Storage.Data = filepath.Join(cfg.Storage.Data, "no\x00directory")
	if _, err := New(cfg, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a directory that cannot be: got no error")
	}
}

// A node as it is: what is published is read, and whoever reads is told that
// it ends.
func TestNode(t *testing.T) {
	cfg := testConfig()
	cfg.Log.HostMetrics = true
	node, err := New(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s := run(t, node)
	for _, protocol := range []func(*http.Protocols){http1, h2c} {
		c := client(t, protocol, nil)
		defer c.CloseIdleConnections()
		res, err := c.Post(s.url+"/channels/chat", "text/plain", strings.NewReader("hello"))
		if err != nil {
			t.Fatal(err)
		}
		if body := bodyOf(t, res); res.StatusCode != 200 || !strings.Contains(body, `"duplicate":false`) {
			t.Fatalf("publish: got %s %s", res.Status, body)
		}
	}

	c := client(t, http1, nil)
	defer c.CloseIdleConnections()
	var lines []*bufio.Scanner
	for _, path := range []string{"/channels/chat?via=stream&since=all", "/channels/$host/pabal?via=stream&since=all"} {
		res, err := c.Get(s.url + path)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		lines = append(lines, bufio.NewScanner(res.Body))
	}
	chat, host := lines[0], lines[1]
	for _, want := range []string{`"$open"`, `"data":"hello"`, `"data":"hello"`, `"$live"`} {
		if !chat.Scan() || !strings.Contains(chat.Text(), want) {
			t.Fatalf("got %s, %v; want %s", chat.Text(), chat.Err(), want)
		}
	}
	for host.Scan() && !strings.Contains(host.Text(), `"seq":2,`) { // so the host's metrics go on
	}
	if host.Err() != nil {
		t.Fatal(host.Err())
	}

	s.stop()
	if !chat.Scan() || !strings.Contains(chat.Text(), `"$closed"`) || !strings.Contains(chat.Text(), `"draining"`) {
		t.Errorf("when it drains: got %s, %v; want $closed", chat.Text(), chat.Err())
	}
	if chat.Scan() {
		t.Errorf("after $closed: got %s", chat.Text())
	}
}

// A name that is none is refused, not cleaned.
func TestNodeRefusesNames(t *testing.T) {
	cfg := testConfig()
	node, err := New(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s := run(t, node)
	defer s.stop()
	c := client(t, http1, nil)
	defer c.CloseIdleConnections()
	for _, path := range []string{"/channels/", "/channels//a", "/channels/a/", "/channels/a/../b", "/channels/./a"} {
		for _, method := range []string{"GET", "POST", "DELETE"} {
			req, err := http.NewRequest(method, s.url+path, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			res, err := c.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, res.Body); err != nil {
				t.Error(err)
			}
			_ = res.Body.Close()
			if res.StatusCode != http.StatusBadRequest {
				t.Errorf("%s %s: got %s, want 400", method, path, res.Status)
			}
		}
	}
}
