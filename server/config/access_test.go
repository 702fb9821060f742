package config_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/server/config"
)

// flags are what was given on a command line, one text for each setting.
func flags(pairs ...string) config.Sources {
	given := make(map[string][]string)
	for _, pair := range pairs {
		name, value, _ := strings.Cut(pair, "=")
		given[name] = []string{value}
	}
	return config.Sources{Flags: given}
}

// Who is let in follows from where a node listens, its keys and anonymous.
func TestOpen(t *testing.T) {
	const out = "listen=0.0.0.0:80"
	for _, test := range []struct {
		name string
		from config.Sources
		open bool
		want string // what the error says; empty: none
	}{
		{"this machine", flags(), true, ""},
		{"this machine, with a key", flags("token-key-file=a"), false, ""},
		{"this machine, anonymous", flags("anonymous=read"), false, ""},
		{"this machine, closed", flags("open=false"), false, "open (--open): nobody may do anything here: leave it and anonymous out"},
		{"this machine, nothing without a token", flags("anonymous=none"), false, "open (default): nobody may do anything here: "},
		{"others", flags(out), false, "listen (--listen): 0.0.0.0:80 is not a loopback address, and nothing says who may do what"},
		{"others, closed", flags(out, "open=false"), false, "listen (--listen): 0.0.0.0:80 is not a loopback address"},
		{"others, nothing without a token", flags(out, "anonymous=none"), false, "listen (--listen): 0.0.0.0:80 is not a loopback address"},
		{"others, open", flags(out, "open=true"), true, ""},
		{"others, a key", flags(out, "token-key-file=a"), false, ""},
		{"others, a secret", flags(out, "token-secret-file=a"), false, ""},
		{"others, a JWKS", flags(out, "token-jwks-url=https://a.example/keys"), false, ""},
		{"others, anonymous", flags(out, "anonymous=read,see"), false, ""},
		{"open and a key", flags("open=true", "token-key-file=a"), true, "open (--open): there are keys for tokens, and it would let in who has none"},
		{"open and anonymous", flags("open=true", "anonymous=read"), true, "open (--open): it lets anyone do everything, so that anonymous would mean nothing"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, from, err := config.Load(test.from)
			if test.want != "" {
				wantError(t, err, test.want)
				return
			}
			if err != nil || c.Access.Open != test.open {
				t.Fatalf("got open %v, %v; want %v", c.Access.Open, err, test.open)
			}
			readAgain(t, c, from)
		})
	}
}

const policies = `
token-key-file: keys.pem
anonymous: [read, see]
call-secret-file: secret
namespaces:
  - match: shop/*
    anonymous: call
    call-url: https://shop.example/calls
    call-timeout: 3s
  - match: open/*
    anonymous: all
    presence: off
  - match: closed/*
    anonymous: none
  - match: $user/*
    keep-age: 30d
  - match: $host/*
    anonymous: [read]
`

// A namespace says what may be done without a token, or has it from the whole
// node: but not if it names Pabal's own channels.
func TestPolicies(t *testing.T) {
	c, from, err := config.Load(config.Sources{File: write(t, policies)})
	if err != nil {
		t.Fatal(err)
	}
	actions := []pabal.Action{pabal.ToRead, pabal.ToPublish, pabal.ToCall, pabal.ToSee}
	got := map[string][]bool{}
	for _, n := range append(c.Namespaces, config.Namespace{Name: "others", Policy: c.Policy}) {
		for _, a := range actions {
			got[n.Name] = append(got[n.Name], n.Policy.Anybody(a))
		}
	}
	want := map[string][]bool{
		"others": {true, false, false, true}, "shop/*": {false, false, true, false}, "open/*": {true, true, true, true},
		"closed/*": {false, false, false, false}, "$user/*": {false, false, false, false}, "$host/*": {true, false, false, false},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("without a token may be read, published, called, seen: got %v, want %v", got, want)
	}
	if shop := c.Namespaces[0].Policy; shop.CallSecretFile != "secret" || shop.CallTimeout.Seconds() != 3 || shop.Presence != "on" {
		t.Errorf("shop: got %+v", shop)
	}
	if c.Access.Open {
		t.Error("with keys it is open")
	}
	for key, want := range map[string]string{
		"namespaces[3].anonymous": "default where a pattern begins with $", "namespaces[0].presence": "node-wide, default", "open": "default",
	} {
		if from[key] != want {
			t.Errorf("%s: got it from %q, want %q", key, from[key], want)
		}
	}
	readAgain(t, c, from)
}

// Once a namespace says who may do what, no other is open by default.
func TestNamespaceCloses(t *testing.T) {
	c, from, err := config.Load(config.Sources{File: write(t, "namespaces:\n  - match: news/*\n    anonymous: read\n")})
	if err != nil {
		t.Fatal(err)
	}
	news := c.Namespaces[0].Policy
	if c.Access.Open || !news.Anybody(pabal.ToRead) || c.Policy.Anybody(pabal.ToRead) {
		t.Errorf("got open %v, news %v, others %v; want that only news can be read", c.Access.Open, news.Anonymous, c.Policy.Anonymous)
	}
	readAgain(t, c, from)
	c, _, err = config.Load(config.Sources{File: write(t, "namespaces:\n  - match: $user/*\n    keep-age: 1h\n")})
	if err != nil || !c.Access.Open {
		t.Errorf("a namespace that does not say who may do what: got open %v, %v; want it as without", c.Access.Open, err)
	}
}

func TestAccessErrors(t *testing.T) {
	for _, test := range []struct {
		name string
		from config.Sources
		want string
	}{
		{"development elsewhere", flags("dev=on", "open=true", "listen=127.0.0.1:1,0.0.0.0:8080"), "dev (--dev): in development mode whoever reaches this node may break its connections and put load on it, " +
			"and 0.0.0.0:8080 is not a loopback address: listen on 127.0.0.1, or leave it at auto"},
		{"no mode", flags("dev=true"), `--dev: "true" is not allowed here; write auto or on or off`},
		{"no keys", flags("token-audience=a"), "token-audience (--token-audience): there are no keys, so that no token is taken"},
		{"no keys for a cookie", flags("token-cookie=a"), "token-cookie (--token-cookie): there are no keys"},
		{"no cookie", flags("token-key-file=a", "token-cookie=a;b"), `token-cookie (--token-cookie): "a;b" cannot be the name of a cookie`},
		{"long token", flags("token-bytes=64KiB"), "token-bytes (--token-bytes): 64KiB does not fit in the head of a request; write 32KiB at most"},
		{"none and more", flags("anonymous=none,read"), "anonymous (--anonymous): none and all stand alone"},
		{"no right", flags("anonymous=write"), `--anonymous: "write" is not allowed here; write none or all or read or publish or call or see`},
		{"unsigned", flags("call-url=https://a.example"), "call-url (--call-url): its requests would not be signed"},
		{"no URL", flags("call-url=a.example"), "--call-url: this is not a URL; write one with its scheme and host"},
		{"a password", flags("token-jwks-url=https://me:secret@a.example"), "--token-jwks-url: this URL has a user in it"},
		{"a secret", flags("token-secret=12345"), "--token-secret: there is no such setting"},
		{"in a namespace", config.Sources{File: write(t, "namespaces:\n- {match: a, call-url: 'http://b'}\n- {match: c, anonymous: [all, see]}\n")}, "namespaces[0].call-url ("},
		{"open in a namespace", config.Sources{File: write(t, "open: true\nnamespaces:\n- {match: c, anonymous: read}\n")}, "open ("},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, _, err := config.Load(test.from)
			wantError(t, err, test.want)
			if err != nil && (strings.Contains(err.Error(), "12345") || strings.Contains(err.Error(), "secret@")) {
				t.Errorf("the error tells a secret: %v", err)
			}
		})
	}
}

// Development mode is on by itself only where nobody else reaches the node.
func TestDevelopment(t *testing.T) {
	for _, test := range []struct {
		from config.Sources
		want bool
	}{
		{flags(), true},
		{flags("listen=127.0.0.1:1,localhost:2,[::1]:3"), true},
		{flags("anonymous=read"), true},
		{flags("dev=auto"), true},
		{flags("dev=off"), false},
		{flags("listen=127.0.0.1:1,0.0.0.0:2", "open=true"), false},
		{flags("listen=example.com:1", "open=true"), false},
		{flags("token-key-file=a"), false},
		{flags("token-secret-file=a"), false},
		{flags("trusted-proxies=127.0.0.1"), false},
		{flags("token-key-file=a", "dev=on"), true},
		{flags("trusted-proxies=127.0.0.1", "dev=on"), true},
		{config.Sources{Env: []string{"PABAL_DEV=off"}}, false},
		{config.Sources{File: write(t, "dev: off\n")}, false},
	} {
		c, from, err := config.Load(test.from)
		if err != nil || c.Development() != test.want {
			t.Errorf("%v: got %v, %v; want %v", test.from, c.Development(), err, test.want)
		}
		readAgain(t, c, from)
	}
	if c := config.Default(); !c.Development() {
		t.Error("by default: got none")
	}
}
