package config_test

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/pabal/pabal/server/config"
)

// write makes a file of that content, named pabal.yaml.
func write(t *testing.T, content string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "pabal.yaml")
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestDefault(t *testing.T) {
	c, from, err := config.Load(config.Sources{})
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(c, config.Default()) {
		t.Errorf("loaded from nothing: got %+v, want the default %+v", c, config.Default())
	}
	if got, want := c.Serving.Listen, []string{"127.0.0.1:8080"}; !reflect.DeepEqual(got, want) {
		t.Errorf("listen: got %q, want %q", got, want)
	}
	if c.Messages.MaxMessage != 1<<20 || c.Serving.Drain != 10*time.Second || !c.Log.HostMetrics {
		t.Errorf("got %+v", c)
	}
	for name, at := range from {
		if want := map[bool]string{true: "default on loopback without keys and anonymous", false: "default"}[name == "open"]; at != want {
			t.Errorf("%s: got it from %q, want %s", name, at, want)
		}
	}
}

// Every setting says what it does, and none is named twice.
func TestSettings(t *testing.T) {
	seen := make(map[string]bool)
	config := reflect.TypeFor[config.Config]()
	for g := range config.NumField() {
		group := config.Field(g)
		if group.Name == "Namespaces" {
			continue
		}
		if group.Type.NumField() > 15 {
			t.Errorf("%s has %d fields, 15 at most", group.Name, group.Type.NumField())
		}
		for f := range group.Type.NumField() {
			tag := group.Type.Field(f).Tag
			if name := tag.Get("name"); name == "" || seen[name] || tag.Get("help") == "" {
				t.Errorf("%s.%s: its name is missing or another's, or it has no help: %q", group.Name, group.Type.Field(f).Name, tag)
			}
			seen[tag.Get("name")] = true
		}
	}
}

func TestPrecedence(t *testing.T) {
	file := write(t, "max-message: 2MiB\nheartbeat: 7s\ndrain: 3s\nlisten:\n  - 127.0.0.1:1\n  - '[::1]:1'\n")
	c, from, err := config.Load(config.Sources{
		File:  file,
		Env:   []string{"HOME=/", "PABAL_HEARTBEAT=8s", "PABAL_DRAIN=4s", "PABAL_ALLOW_ORIGIN=https://a.example, https://b.example:444"},
		Flags: map[string][]string{"drain": {"9s", "5s"}, "trusted-proxies": {""}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range config.Settings() {
		want, ok := map[string]struct{ text, from string }{
			"max-message":     {"2MiB", file + ":1:14"},
			"listen":          {"127.0.0.1:1 [::1]:1", file + ":5:3"},
			"heartbeat":       {"8s", "PABAL_HEARTBEAT"},
			"allow-origin":    {"https://a.example https://b.example:444", "PABAL_ALLOW_ORIGIN"},
			"drain":           {"5s", "--drain"},
			"trusted-proxies": {"", "--trusted-proxies"},
		}[s.Name]
		if got := strings.Join(s.Text(c), " "); ok && (got != want.text || from[s.Name] != want.from) {
			t.Errorf("%s: got %q from %s, want %q from %s", s.Name, got, from[s.Name], want.text, want.from)
		} else if !ok && !strings.HasPrefix(from[s.Name], "default") {
			t.Errorf("%s: got it from %s, want the default", s.Name, from[s.Name])
		}
	}
}

func TestFileFromEnvironment(t *testing.T) {
	c, _, err := config.Load(config.Sources{Env: []string{"PABAL_CONFIG=" + write(t, "sessions: 7\n")}})
	if err != nil || c.Readers.Sessions != 7 {
		t.Fatalf("got %d sessions, %v; want 7", c.Readers.Sessions, err)
	}
}

// What Print writes is a file that says the same.
func TestPrintIsAFile(t *testing.T) {
	c, from, err := config.Load(config.Sources{Flags: map[string][]string{
		"open": {"true"}, "listen": {":80", "[::]:81"}, "allow-origin": {"*"}, "tls-cert": {"a b.pem"}, "tls-key": {"true # key"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	readAgain(t, c, from)
}

// readAgain fails unless what Print writes means c.
func readAgain(t *testing.T, c config.Config, from config.Provenance) (printed string) {
	t.Helper()
	var first bytes.Buffer
	if err := config.Print(&first, c, from); err != nil {
		t.Fatal(err)
	}
	again, _, err := config.Load(config.Sources{File: write(t, first.String())})
	if err != nil {
		t.Fatalf("what was printed cannot be read: %v\n%s", err, first.String())
	}
	if !reflect.DeepEqual(again, c) {
		t.Errorf("read again: got %+v, want %+v\n%s", again, c, first.String())
	}
	return first.String()
}

func TestHostMetricsWhenOpen(t *testing.T) {
	for _, test := range []struct {
		flags map[string][]string
		want  bool
	}{
		{map[string][]string{}, true},
		{map[string][]string{"open": {"true"}}, true},
		{map[string][]string{"open": {"true"}, "listen": {":8080"}}, false},
		{map[string][]string{"open": {"true"}, "listen": {":8080"}, "host-metrics": {"true"}}, true},
		{map[string][]string{"host-metrics": {"false"}}, false},
	} {
		c, _, err := config.Load(config.Sources{Flags: test.flags})
		if err != nil || c.Log.HostMetrics != test.want {
			t.Errorf("%v: got host metrics %v, %v; want %v", test.flags, c.Log.HostMetrics, err, test.want)
		}
	}
}
