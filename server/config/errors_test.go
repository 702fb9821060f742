package config_test

import (
	"strings"
	"testing"

	"github.com/pabal/pabal/server/config"
)

// Errors in a file say where, what and what to do.
func TestFileErrors(t *testing.T) {
	for _, test := range []struct{ name, file, want string }{
		{"typo", "drain: 3s\nmax-mesage: 2MiB\n", `FILE:2:1: there is no setting "max-mesage", did you mean max-message?`},
		{"nothing near", "colour: red\n", `FILE:1:1: there is no setting "colour"`},
		{"upper case", "Listen: a:1\n", `FILE:1:1: there is no setting "Listen", did you mean listen?`},
		{"no unit", "drain: 5\n", `FILE:1:8: drain: "5" is not a duration; write a number with its unit, as in 500ms, 15s, 10m or 24h`},
		{"not a size", "max-message: 1M\n", `FILE:1:14: max-message: "1M" is not a size; write a whole number of bytes, or one with a unit, as in 300, 64KiB or 16MiB`},
		{"not a number", "sessions: many\n", `FILE:1:11: sessions: "many" is not a whole number`},
		{"fraction", "sessions: 1.5\n", `FILE:1:11: sessions: "1.5" is not a whole number`},
		{"not a bool", "open: yes\n", `FILE:1:7: open: "yes" is neither true nor false`},
		{"not one of", "keep: last\n", `FILE:1:7: keep: "last" is not allowed here; write all or latest`},
		{"list for one", "sessions: [1, 2]\n", `FILE:1:11: sessions: one value is expected, not a list`},
		{"mapping for one", "keep:\n  entries: 5\n", `FILE:2:10: keep: a text, a number, true, false or a list is expected`},
		{"list in a list", "listen: [[a]]\n", `FILE:1:10: listen: each value of the list is one text or number`},
		{"no value", "# first\nlisten:\n", `FILE:2:1: listen has no value; give it one, or remove the line`},
		{"negative", "heartbeat: -1s\n", `FILE:1:12: heartbeat: -1s is negative; write a value above 0`},
		{"zero", "write-timeout: 0s\n", `FILE:1:16: write-timeout: 0s is not allowed here; write a value above 0`},
		{"twice", "drain: 1s\ndrain: 2s\n", `FILE:2:1: mapping key "drain" already defined at [1:1]`},
		{"not a mapping", "- listen\n", `FILE:1:1: settings are expected, each as name: value`},
		{"two documents", "drain: 1s\n---\ndrain: 2s\n", `FILE:3:6: one document is expected, not several`},
		{"broken", "drain: [1s\n", `FILE:1:8: `},
		{"alias", "tls-cert: *cert\n", `FILE:1:11: tls-cert: a text, a number, true, false or a list is expected; put what begins with * in quotes, as in "*"`},
		{"origin with a path", "allow-origin: https://a.example/x\n", `FILE:1:15: allow-origin: "https://a.example/x" is more than an origin; did you mean https://a.example?`},
		{"no origin", "allow-origin: example.com\n", `FILE:1:15: allow-origin: "example.com" is not an origin; write scheme://host or scheme://host:port, as in https://example.com, or * for any`},
		{"wildcard host", "allow-origin: https://*.example\n", `FILE:1:15: allow-origin: "https://*.example": * stands only for any origin at all; name each origin that may`},
		{"bad prefix", "trusted-proxies: [10.0.0.0/33]\n", `FILE:1:18: trusted-proxies: "10.0.0.0/33" is not a range of addresses; write one as 10.0.0.0/8 or fd00::/8, or a single address`},
		{"host bits", "trusted-proxies: 10.0.0.1/8\n", `FILE:1:18: trusted-proxies: "10.0.0.1/8" has bits beyond its length; did you mean 10.0.0.0/8?`},
		{"several", "a: 1\nb: 2\n", "FILE:1:1: there is no setting \"a\"\nFILE:2:1: there is no setting \"b\""},
	} {
		t.Run(test.name, func(t *testing.T) {
			file := write(t, test.file)
			_, _, err := config.Load(config.Sources{File: file})
			wantError(t, err, strings.ReplaceAll(test.want, "FILE", file))
		})
	}
}

func TestEmptyFiles(t *testing.T) {
	for _, content := range []string{"", "\n", "# nothing\n", "---\n", "{}\n"} {
		if _, _, err := config.Load(config.Sources{File: write(t, content)}); err != nil {
			t.Errorf("%q: got %v, want no error", content, err)
		}
	}
}

func TestOtherErrors(t *testing.T) {
	env := func(e ...string) config.Sources { return config.Sources{Env: e} }
	flag := func(name string, values ...string) config.Sources {
		return config.Sources{Flags: map[string][]string{name: values}}
	}
	for _, test := range []struct {
		name string
		from config.Sources
		want string
	}{
		{"missing file", config.Sources{File: "no/such.yaml"}, "the configuration file cannot be read: open no/such.yaml: "},
		{"unknown variable", env("PABAL_LISTN=x"), "PABAL_LISTN: there is no setting of this name, did you mean PABAL_LISTEN?"},
		{"bad variable", env("PABAL_DRAIN=soon"), `PABAL_DRAIN: "soon" is not a duration; `},
		{"empty variable", env("PABAL_SESSIONS="), `PABAL_SESSIONS: "" is not a whole number`},
		{"no address", flag("listen"), "listen (--listen): there is no address; give one, as in 127.0.0.1:8080"},
		{"no port", flag("listen", "localhost"), `listen (--listen): "localhost" is not an address; write host:port, as in 127.0.0.1:8080`},
		{"a URL", flag("listen", "http://x:80"), `listen (--listen): "http://x:80" is not an address; `},
		{"bad port", flag("listen", "127.0.0.1:http"), `listen (--listen): "127.0.0.1:http": the port is a number up to 65535, or 0 for any that is free`},
		{"not open", env("PABAL_LISTEN=127.0.0.1:1,0.0.0.0:8080"), "listen (PABAL_LISTEN): 0.0.0.0:8080 is not a loopback address, and nothing says who may do what: " +
			"listen on 127.0.0.1, or give keys for tokens (token-key-file, token-key, token-secret-file or token-jwks-url), " +
			"or say in anonymous what may be done without a token, or say --open to let anyone do everything"},
		{"cert alone", flag("tls-cert", "a"), "tls-cert (--tls-cert): a certificate without its key; give --tls-key too"},
		{"key alone", flag("tls-key", "a"), "tls-key (--tls-key): a key without its certificate; give --tls-cert too"},
		{"any and one", flag("allow-origin", "*", "https://a.example"), "allow-origin (--allow-origin): * stands for any origin, "},
		{"small batch", flag("batch-bytes", "5"), "batch-bytes (--batch-bytes): 5 is less than max-message, 1MiB, "},
		{"wide response", flag("channels-per-response", "101"), "channels-per-response (--channels-per-response): 101 is too many, "},
		{"no directory", flag("data", ""), "data (--data): the disk broker needs a directory; give one, as in ./pabal-data, or choose --broker memory"},
		{"another broker", flag("broker", "redis"), `--broker: "redis" is not allowed here; write disk or memory`},
		{"no days alone", flag("keep-age", "1.5d"), `--keep-age: "1.5d" is not a duration; `},
		{"namespaces", env("PABAL_NAMESPACES=a/*"), "PABAL_NAMESPACES: namespaces are said in a file only, which --config or PABAL_CONFIG names"},
		{"flag without a unit", flag("heartbeat", "10"), `--heartbeat: "10" is not a duration; write a number with its unit, `},
		{"flag that is 0", flag("max-message", "0"), `--max-message: 0 is not allowed here; write a value above 0`},
		{"longer word", flag("log-level", "warning"), `--log-level: "warning" is not allowed here; write debug or info or warn or error, did you mean warn?`},
		{"shorter word", flag("log-level", "err"), `--log-level: "err" is not allowed here; write debug or info or warn or error, did you mean error?`},
		{"flag that is neither", flag("open", "yes"), `--open: "yes" is neither true nor false`},
		{"unknown flag", flag("lisn", "a"), "--lisn: there is no such setting"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, _, err := config.Load(test.from)
			wantError(t, err, test.want)
		})
	}
}

// Variables that are not settings, and are nobody's mistake.
func TestForeignVariables(t *testing.T) {
	_, _, err := config.Load(config.Sources{
		Env:    []string{"PABAL_URL=http://x", "PABAL_SERVICE_HOST=10.0.0.1", "PABAL_PORT=tcp://10.0.0.1:80", "PABAL_PORT_80_TCP_ADDR=10.0.0.1", "XPABAL_A=1"},
		Others: []string{"PABAL_URL"},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// wantError fails unless err begins with want.
func wantError(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got error\n\t%v\nwant\n\t%s", err, want)
	}
}
