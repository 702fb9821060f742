package config_test

import (
	"testing"
	"time"

	"github.com/pabal/pabal/server/config"
)

func TestSize(t *testing.T) {
	for _, test := range []struct {
		text string
		want config.Size
		back string
	}{
		{"0", 0, "0"}, {"300", 300, "300"}, {"1024", 1024, "1KiB"}, {"1MiB", 1 << 20, "1MiB"}, {"16 mib", 16 << 20, "16MiB"},
		{"3GB", 3e9, "3000000000"}, {"1kB", 1000, "1000"}, {"5B", 5, "5"}, {"2TiB", 2 << 40, "2TiB"}, {"-1", -1, "-1"},
	} {
		var s config.Size
		if err := s.UnmarshalText([]byte(test.text)); err != nil || s != test.want || s.String() != test.back {
			t.Errorf("%q: got %d (%v), %v; want %d (%s)", test.text, s, s, err, test.want, test.back)
		}
	}
	for _, text := range []string{"", "MiB", "1M", "1.5MiB", "0x10", "1MiBB", "9999999999999999999", "9223372036854775807KiB", "1\u00a0MiB"} {
		var s config.Size
		if err := s.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q: got %d, want an error", text, s)
		}
	}
}

func TestOrigin(t *testing.T) {
	for text, want := range map[string]config.Origin{
		"*": "*", "https://Example.COM": "https://example.com", "http://localhost:3000": "http://localhost:3000",
		"https://a.example:443": "https://a.example", "http://a.example:80": "http://a.example", "https://a.example:80": "https://a.example:80",
		"http://[::1]:3000": "http://[::1]:3000",
	} {
		var o config.Origin
		if err := o.UnmarshalText([]byte(text)); err != nil || o != want {
			t.Errorf("%q: got %q, %v; want %q", text, o, err, want)
		}
	}
	for _, text := range []string{"", "null", "a.example", "//a.example", "ftp://a.example", "https://a.example/", "https://u@a.example", "https://a.example?x", "https://"} {
		var o config.Origin
		if err := o.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q: got %q, want an error", text, o)
		}
	}
}

func TestLoopback(t *testing.T) {
	for address, want := range map[string]bool{
		"127.0.0.1:1": true, "127.9.9.9:1": true, "[::1]:1": true, "localhost:1": true, "a.LocalHost:1": true, "[::ffff:127.0.0.1]:1": true,
		":1": false, "0.0.0.0:1": false, "[::]:1": false, "10.0.0.1:1": false, "example.com:1": false, "localhost.example:1": false, "": false,
	} {
		if got := config.Loopback(address); got != want {
			t.Errorf("%q: got %v, want %v", address, got, want)
		}
	}
}

// A day has 24 hours.
func TestDays(t *testing.T) {
	const day = 24 * time.Hour
	for text, want := range map[string]time.Duration{
		"30d": 30 * day, "1d12h": 36 * time.Hour, "0d": 0, "2d0h": 2 * day, "106751d": 106751 * day, "1d1ns": day + 1, "90m": 90 * time.Minute, "0": 0,
	} {
		c, _, err := config.Load(config.Sources{Flags: map[string][]string{"keep-age": {text}}})
		if err != nil || c.Keep.KeepAge != want {
			t.Errorf("%q: got %v, %v; want %v", text, c.Keep.KeepAge, err, want)
		}
	}
	for _, text := range []string{"d", "1.5d", "1d2d", "1h2d", "1d2", "1d-1h", "1d+1h", "-1d", "-0d1h", "106752d", "106751d24h", "9999999999999999999d", "1 d", "1D"} {
		c, _, err := config.Load(config.Sources{Flags: map[string][]string{"keep-age": {text}}})
		if err == nil {
			t.Errorf("%q: got %v, want an error", text, c.Keep.KeepAge)
		}
	}
}

func FuzzSize(f *testing.F) {
	f.Add("16 MiB")
	f.Fuzz(func(t *testing.T, text string) {
		var s, again config.Size
		if s.UnmarshalText([]byte(text)) != nil {
			return
		}
		if err := again.UnmarshalText([]byte(s.String())); err != nil || again != s {
			t.Errorf("%q is %v, which is %v, %v", text, s, again, err)
		}
	})
}
