package auth_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/auth"
)

// Whatever a token says, what is kept of it makes the same grant again.
func TestRestoreIsEqual(t *testing.T) {
	a := open(t, auth.Config{Keys: keys(t), Forever: true, Leeway: time.Second, Anonymous: func(pabal.Channel) auth.Actions { return 0 }})
	private, public, err := auth.NewKey("EdDSA")
	if err != nil {
		t.Fatal(err)
	}
	key, err := auth.ReadPrivate(file(t, private))
	if err != nil {
		t.Fatal(err)
	}
	b := open(t, auth.Config{Keys: []auth.Key{{File: file(t, public)}}, Forever: true, Leeway: time.Second})
	rapid.Check(t, func(t *rapid.T) {
		c := drawClaims(t)
		token, err := key.Sign(c)
		if err != nil {
			t.Fatalf("%+v: %v", c, err)
		}
		g, err := b.Renew(t.Context(), token)
		if err != nil {
			t.Fatalf("%+v: %v", c, err)
		}
		restored, err := b.Restore(g.Claims)
		if err != nil || !reflect.DeepEqual(g, restored) {
			t.Fatalf("%s:\n got %+v, %v\nwant %+v", g.Claims, restored, err, g)
		}
		if strings.Contains(string(g.Claims), "issuer") || len(g.Claims) > auth.DefaultTokenBytes {
			t.Fatalf("more is kept than is needed: %s", g.Claims)
		}
		// Another node has its own keys, and nothing to do with the token.
		elsewhere, err := a.Restore(g.Claims)
		if err != nil || elsewhere.User != c.User || string(elsewhere.Data) != string(g.Data) {
			t.Fatalf("on another node: got %+v, %v", elsewhere, err)
		}
		for action, names := range [][]string{c.Rights.Read, c.Rights.Publish, c.Rights.Call, c.Rights.See} {
			for _, name := range names {
				ch := pabal.Channel(strings.ReplaceAll(name, "*", "x"))
				if !elsewhere.Rules.Allow(pabal.Action(action), ch) {
					t.Fatalf("%s: %v %q is not allowed", g.Claims, pabal.Action(action), ch)
				}
			}
		}
	})
}

func drawClaims(t *rapid.T) auth.Claims {
	names := rapid.SliceOfN(rapid.StringMatching(`\$?[a-z]{1,5}(/[a-z0-9_.:-]{0,3}[a-z*]){0,3}(/\*)?`), 0, 10)
	c := auth.Claims{
		User:   rapid.StringMatching(`[a-zé@<>&"\\|\x{2028}]{0,20}`).Draw(t, "user"),
		Issuer: "issuer",
		Rights: auth.Rights{Read: names.Draw(t, "read"), Publish: names.Draw(t, "publish"), Call: names.Draw(t, "call"), See: names.Draw(t, "see")},
	}
	if rapid.Bool().Draw(t, "ends") {
		c.Expires = time.Now().Add(time.Duration(rapid.IntRange(5, 1<<30).Draw(t, "in")) * time.Second)
	}
	if rapid.Bool().Draw(t, "data") {
		text, err := json.Marshal(map[string]any{"name": rapid.String().Draw(t, "name"), "n": rapid.Float64().Draw(t, "n")})
		if err != nil {
			t.Fatal(err)
		}
		c.Data = []byte(strings.ReplaceAll(string(text), `":`, `": `))
		c.Data = append(c.Data, ' ')
	}
	return c
}

// Claims that no node made are an error, and none are anybody.
func TestRestoreErrors(t *testing.T) {
	a := open(t, auth.Config{})
	for _, claims := range []string{"x", "[]", `{"sub":1}`, `{"pabal":{"read":["a b"]}}`} {
		if g, err := a.Restore([]byte(claims)); err == nil {
			t.Errorf("%s: got %+v", claims, g)
		}
	}
	g, err := a.Restore(nil)
	if err != nil || g.User != "" || g.Claims != nil || g.Check(pabal.ToRead, "a") == nil {
		t.Errorf("nothing: got %+v, %v", g, err)
	}
}

// What a token names is what it allows, and nothing beside it but what anybody
// may.
func TestRules(t *testing.T) {
	a := open(t, auth.Config{Keys: keys(t), Anonymous: func(ch pabal.Channel) auth.Actions {
		switch {
		case ch == "news":
			return auth.ActionsOf(pabal.ToRead)
		case ch.Own():
			return auth.All
		}
		return 0
	}})
	restore := func(claims string) pabal.Grant {
		g, err := a.Restore([]byte(claims))
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	some := restore(`{"sub":"alice","pabal":{"read":["chat/*","exact"],"publish":["chat/lobby"],"call":["shop"],"see":["chat/*"]}}`)
	all := restore(`{"pabal":{"read":["*"],"publish":["*"],"call":["*"],"see":["*"]}}`)
	backend := restore(`{"pabal":{"read":["$calls/*","$host/*"],"publish":["$user/*","$conn/x"]}}`)
	none, nobody := restore(`{"sub":"alice"}`), restore("")
	for _, c := range []struct {
		name string
		g    pabal.Grant
		do   pabal.Action
		ch   pabal.Channel
		want bool
	}{
		{"some", some, pabal.ToRead, "chat/a", true}, {"some", some, pabal.ToRead, "chat/a/b", true}, {"some", some, pabal.ToRead, "exact", true},
		{"some", some, pabal.ToRead, "chat", false}, {"some", some, pabal.ToRead, "exact/a", false}, {"some", some, pabal.ToRead, "news", true}, {"some", some, pabal.ToPublish, "news", false},
		{"some", some, pabal.ToPublish, "chat/lobby", true}, {"some", some, pabal.ToPublish, "chat/a", false}, {"some", some, pabal.ToCall, "shop", true}, {"some", some, pabal.ToCall, "chat/a", false},
		{"some", some, pabal.ToSee, "chat/a", true}, {"some", some, pabal.ToRead, "$presence/chat/a", true}, {"some", some, pabal.ToRead, "$presence/exact", false},
		{"some", some, pabal.ToRead, "$user/alice", true}, {"some", some, pabal.ToRead, "$user/bob", false}, {"some", some, pabal.ToPublish, "$user/alice", false}, {"some", some, pabal.ToRead, "$calls/shop", false},

		{"all", all, pabal.ToRead, "any", true}, {"all", all, pabal.ToPublish, "any/thing", true}, {"all", all, pabal.ToPublish, "$user/bob", false}, {"all", all, pabal.ToRead, "$calls/shop", false},
		{"all", all, pabal.ToRead, "$-/lease", false}, {"all", all, pabal.ToRead, "$presence/any", true}, {"all", all, pabal.ToRead, "$conn/x", false},

		{"backend", backend, pabal.ToRead, "$calls/shop", true}, {"backend", backend, pabal.ToPublish, "$user/bob", true}, {"backend", backend, pabal.ToPublish, "$conn/x", false}, {"backend", backend, pabal.ToRead, "any", false},

		{"none", none, pabal.ToRead, "chat/a", false}, {"none", none, pabal.ToRead, "news", true}, {"none", none, pabal.ToRead, "$user/alice", true},
		{"nobody", nobody, pabal.ToRead, "news", true}, {"nobody", nobody, pabal.ToPublish, "news", false}, {"nobody", nobody, pabal.ToRead, "$host/cpu", true}, {"nobody", nobody, pabal.ToPublish, "$user/bob", false},
		{"nobody", nobody, pabal.ToRead, "$calls/shop", false}, {"nobody", nobody, pabal.ToRead, "$user/alice", false},
	} {
		if got := c.g.Check(c.do, c.ch) == nil; got != c.want {
			t.Errorf("%s may %v %q: %v, want %v", c.name, c.do, c.ch, got, c.want)
		}
	}
}

func TestActions(t *testing.T) {
	for a := pabal.ToRead; a <= pabal.ToSee; a++ {
		if set := auth.ActionsOf(a); !set.Has(a) || set.Has(a+1) || !auth.All.Has(a) || auth.Actions(0).Has(a) {
			t.Errorf("%v: the set of it is %b", a, set)
		}
	}
}

// Whatever is written in a token that is signed, it is refused with what is
// wrong, or means the same after it was kept.
func FuzzClaims(f *testing.F) {
	for _, text := range []string{
		`{"sub":"alice","exp":1798761600,"iat":1,"nbf":1.5,"aud":["a"],"iss":"i","pabal":{"read":["chat/*"],"publish":["a"],"call":[],"see":null,"data":{"a": [1, "<\u2028>"]}}}`,
		`{"sub":null,"pabal":null}`, `{"aud":"x"}`, `{"pabal":{"read":"chat"}}`, `{"exp":1e18}`, `{"exp":253402300799.9}`, `{"sub":"\ud83d\ude00\ud800"}`,
		`{"a":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `}`, `{"sub":"a","Sub":"b"}`, "{}", "", "nil", `{"pabal":{"data":null}}`,
	} {
		f.Add([]byte(text))
	}
	a := open(f, auth.Config{})
	f.Fuzz(func(t *testing.T, text []byte) {
		g, err := a.Restore(text)
		if err != nil {
			if p := asProblem(t, err); p.Status != 401 || len(p.Detail) > 2000 {
				t.Fatalf("%q: got %d, %q", text, p.Status, p.Detail)
			}
			return
		}
		again, err := a.Restore(g.Claims)
		if len(text) > 0 && (err != nil || !reflect.DeepEqual(g, again)) {
			t.Fatalf("%q was kept as %q:\n got %+v, %v\nwant %+v", text, g.Claims, again, err, g)
		}
		if len(g.User) > 255 || strings.ContainsAny(g.User, "\r\n\x00") || len(g.Data) > 4096 {
			t.Fatalf("got %+v", g)
		}
	})
}

// No text that a client sends is taken for a token, but one that is signed.
func FuzzToken(f *testing.F) {
	good := must(must(auth.ReadSecret(file(f, secret))).Sign(auth.Claims{User: "alice", Expires: time.Now().Add(1000 * time.Hour)}))
	f.Add(good)
	parts := strings.Split(good, ".")
	for _, text := range []string{"", "..", "a.b.c", encode(`{"alg":"none"}`) + "." + parts[1] + ".", encode(`{"alg":"HS256","kid":7}`) + "." + parts[1] + "." + parts[2], strings.Repeat(".", 100), good + "="} {
		f.Add(text)
	}
	a := open(f, auth.Config{Keys: keys(f)})
	f.Fuzz(func(t *testing.T, text string) {
		_, err := a.Renew(t.Context(), text)
		if (err == nil) != (text == good) {
			t.Fatalf("%q: got %v", text, err)
		}
		if err != nil && asProblem(t, err).Status != 401 {
			t.Fatalf("%q: got %v", text, err)
		}
		_, _ = auth.Inspect(text) // it does not panic
	})
}
