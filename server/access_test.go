package server

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pabal/pabal/internal/pattern"
	"github.com/pabal/pabal/server/config"
)

const testSecret = "a secret that is only for these tests, and long enough"

// secretFile makes a file that holds text.
func secretFile(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(name, []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// token signs one of ann with rights as JSON, which ends in life.
func token(secret, rights string, life time.Duration) string {
	encode := base64.RawURLEncoding.EncodeToString
	claims := fmt.Sprintf(`{"sub":"ann","exp":%d,"pabal":%s}`, time.Now().Add(life).Unix(), rights)
	signed := encode([]byte(`{"alg":"HS256"}`)) + "." + encode([]byte(claims))
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(signed))
	return signed + "." + encode(mac.Sum(nil))
}

// closedConfig is of a node with a secret, where only news may be read without a
// token.
func closedConfig(t *testing.T) config.Config {
	t.Helper()
	cfg := testConfig()
	cfg.Access.Open = false
	cfg.Tokens.SecretFile = []string{secretFile(t, testSecret)}
	news := cfg.Policy
	news.Anonymous = []string{"read"}
	cfg.Namespaces = config.Namespaces{{Name: "news", Match: []pattern.Pattern{"news/*"}, Keep: cfg.Keep, Policy: news}}
	return cfg
}

// askWith sends a request with a token, unless that is empty.
func askWith(t *testing.T, c *http.Client, method, url, token, body string) (status int, answer string, header http.Header) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if method == http.MethodGet || method == http.MethodHead || method == http.MethodDelete {
		r.Body, r.ContentLength = http.NoBody, 0
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if strings.Contains(url, "/commands") {
		r.Header.Set("Content-Type", "application/json")
	}
	res, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, bodyOf(t, res), res.Header
}

// A node with a key lets in who has a token, to what it says, and without one
// only to what its namespaces say.
func TestNodeWithKeys(t *testing.T) {
	node, err := New(closedConfig(t), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s := run(t, node)
	defer s.stop()
	c := client(t, http1, nil)
	defer c.CloseIdleConnections()
	ann := token(testSecret, `{"read":["chat"],"publish":["chat","news/*"],"see":["chat"]}`, time.Hour)
	for _, test := range []struct {
		what, method, path, token, body string
		status                          int
	}{
		{"publishing", "POST", "/channels/chat", ann, "hello", 200},
		{"reading", "GET", "/channels/chat?via=poll", ann, "", 200},
		{"reading with the token in the URL", "GET", "/channels/chat?via=poll&token=" + ann, "", "", 200},
		{"who is there, with the token in the URL", "GET", "/presence/chat?token=" + ann, "", "", 200},
		{"publishing with the token in the URL", "POST", "/channels/chat?token=" + ann, "", "x", 200},
		{"a command with the token in the URL", "POST", "/commands?token=" + ann, "", `{"id":1,"command":"ping"}`, 200},
		{"where it ends", "HEAD", "/channels/chat", ann, "", 200},
		{"a list", "GET", "/channels", ann, "", 200},
		{"who is there", "GET", "/presence/chat", ann, "", 200},
		{"a command", "POST", "/commands", ann, `{"id":1,"command":"publish","channel":"news/1","data":"x"}`, 200},
		{"reading news without a token", "GET", "/channels/news/1?via=poll", "", "", 200},
		{"reading news with a token for others", "GET", "/channels/news/1?via=poll", ann, "", 200},
		{"health", "GET", "/health", "", "", 200},
		{"metrics on this machine", "GET", "/metrics", "", "", 200},

		{"reading without a token", "GET", "/channels/chat?via=poll", "", "", 401},
		{"reading two without a token", "GET", "/channels?channel=news/1&channel=chat", "", "", 401},
		{"where it ends without a token", "HEAD", "/channels/chat", "", "", 401},
		{"publishing without a token", "POST", "/channels/chat", "", "x", 401},
		{"publishing news without a token", "POST", "/channels/news/1", "", "x", 401},
		{"deleting without a token", "DELETE", "/channels/news/1", "", "", 401},
		{"a list without a token", "GET", "/channels", "", "", 401},
		{"who is there without a token", "GET", "/presence/chat", "", "", 401},
		{"who is where one may only read", "GET", "/presence/news/1", "", "", 401},
		{"a command without a token", "POST", "/commands", "", `{"id":1,"command":"publish","channel":"chat","data":"x"}`, 401},
		{"host metrics without a token", "GET", "/channels/$host/cpu?via=poll", "", "", 401},
		{"another's secret", "GET", "/channels/chat?via=poll", token("another secret, which is just as long as it is", `{"read":["chat"]}`, time.Hour), "", 401},
		{"an expired token", "GET", "/channels/news/1?via=poll", token(testSecret, `{"read":["chat"]}`, -time.Hour), "", 401},
		{"no token at all", "GET", "/channels/news/1?via=poll", "x", "", 401},

		{"reading what the token does not say", "GET", "/channels/other?via=poll", ann, "", 403},
		{"publishing what the token does not say", "POST", "/channels/other", ann, "x", 403},
		{"another's inbox", "GET", "/channels/$user/ben?via=poll", ann, "", 403},
		{"another's connection", "GET", "/channels/$conn/0123456789abcdef0123456789?via=poll", ann, "", 403},
		{"what nodes tell each other", "GET", "/channels/$-/leases?via=poll", ann, "", 403},
	} {
		status, body, header := askWith(t, c, test.method, s.url+test.path, test.token, test.body)
		if status != test.status {
			t.Errorf("%s: got %d %s, want %d", test.what, status, body, test.status)
		}
		if challenge := header.Get("WWW-Authenticate"); (status == 401) != strings.HasPrefix(challenge, "Bearer") {
			t.Errorf("%s: got %d with WWW-Authenticate: %q", test.what, status, challenge)
		}
		if test.status > 400 && test.method != "HEAD" && test.path != "/commands" && (header.Get("Content-Type") != "application/problem+json" || !json.Valid([]byte(body))) {
			t.Errorf("%s: got %s %s, want a problem", test.what, header.Get("Content-Type"), body)
		}
	}
	if !strings.Contains(s.text, `  read     curl -N -H "Authorization: Bearer $TOKEN" 'http`) {
		t.Errorf("it says how to try it without a token:\n%s", s.text)
	}
}

// On this machine, without keys, everybody may do everything.
func TestNodeIsOpenHere(t *testing.T) {
	node, err := New(testConfig(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s := run(t, node)
	defer s.stop()
	c := client(t, http1, nil)
	defer c.CloseIdleConnections()
	for _, test := range []struct {
		method, path string
		status       int
	}{
		{"POST", "/channels/chat", 200}, {"GET", "/channels/chat?via=poll", 200}, {"GET", "/channels", 200}, {"GET", "/presence/chat", 200},
		{"GET", "/channels/$calls/chat?via=poll", 200}, {"DELETE", "/channels/chat", 204},
		{"GET", "/channels/$user/ben?via=poll", 403}, {"POST", "/channels/$presence/chat", 403}, {"GET", "/channels/$-/x?via=poll", 403},
	} {
		if status, body, _ := askWith(t, c, test.method, s.url+test.path, "", "x"); status != test.status {
			t.Errorf("%s %s: got %d %s, want %d", test.method, test.path, status, body, test.status)
		}
	}
}

// What a node cannot check tokens or sign calls with keeps it from starting.
func TestBadKeys(t *testing.T) {
	short := secretFile(t, "short")
	missing := filepath.Join(t.TempDir(), "none")
	for name, test := range map[string]struct {
		change func(*config.Config)
		want   string
	}{
		"no file":      {func(c *config.Config) { c.Tokens.SecretFile = []string{missing} }, "no such file"},
		"short secret": {func(c *config.Config) { c.Tokens.SecretFile = []string{short} }, "the secret has 5 bytes, 32 at least"},
		"no key":       {func(c *config.Config) { c.Tokens.KeyFile = []string{short} }, "neither keys in PEM nor a JSON Web Key Set"},
		"plain HTTP":   {func(c *config.Config) { c.Tokens.JWKSURL = "http://keys.example/" }, "https"},
		"call secret":  {func(c *config.Config) { c.Policy.CallURL, c.Policy.CallSecretFile = "https://a.example", short }, "call-secret-file: "},
		"of a namespace": {func(c *config.Config) {
			c.Namespaces = config.Namespaces{{Name: "shop", Keep: c.Keep, Policy: config.Policy{CallURL: "https://a.example", CallSecretFile: missing}}}
		}, "namespace shop: call-secret-file: "},
	} {
		cfg := testConfig()
		test.change(&cfg)
		if _, err := New(cfg, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", name, err, test.want)
		}
	}
}

// A lockedBuffer is a log that is written while it is read.
type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

// Whatever is asked, and however it fails, no token is in the log.
func TestLogTellsNoToken(t *testing.T) {
	var out lockedBuffer
	cfg := closedConfig(t)
	cfg.Tokens.Cookie = "pabal_token"
	log := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	node, err := New(cfg, log)
	if err != nil {
		t.Fatal(err)
	}
	inner := node.parts.api
	node.parts.api = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/channels/panic" {
			panic("asked for " + r.URL.String() + " with " + r.Header.Get("Authorization"))
		}
		inner.ServeHTTP(w, r)
	})
	s := run(t, node)
	c := client(t, http1, nil)
	good := token(testSecret, `{"read":["chat"],"publish":["chat","panic"]}`, time.Hour)
	for _, token := range []string{good, "nonsense-that-is-none", good[:len(good)-4]} {
		for _, path := range []string{"/channels/chat?via=poll&token=", "/channels/chat?via=poll&%74oken=", "/channels/" + token + "?x=", "/nowhere?token=", "/presence/chat?token="} {
			askWith(t, c, "GET", s.url+path+token, token, "")
		}
		r, err := http.NewRequestWithContext(t.Context(), "GET", s.url+"/channels/chat", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Cookie", "pabal_token="+token)
		r.Header.Set("Sec-WebSocket-Protocol", "pabal.v1, pabal.token."+token)
		r.Header.Set("Upgrade", "websocket")
		res, err := c.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		askWith(t, c, "POST", s.url+"/commands", "", `{"id":1,"command":"refresh","token":"`+token+`"}`)
		panics, err := http.NewRequestWithContext(t.Context(), "POST", s.url+"/channels/panic?token="+token, nil)
		if err != nil {
			t.Fatal(err)
		}
		panics.Header.Set("Authorization", "Bearer "+token)
		if res, err := c.Do(panics); err == nil {
			_, _ = io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
		}
	}
	c.CloseIdleConnections()
	s.stop()
	text := out.String()
	if strings.Count(text, "http: panic serving") != 3 {
		t.Errorf("the log does not tell of three panics:\n%s", text)
	}
	if !strings.Contains(text, `msg="who may do what" withToken="what the token says, checked by 1 × secret" withoutToken="none; in news: read"`) {
		t.Errorf("the log does not say who may do what:\n%s", text)
	}
	for _, part := range []string{good[:len(good)-4], "nonsense", testSecret} {
		if i := strings.Index(text, part); i >= 0 {
			t.Errorf("the log has %q: …%s…", part, text[max(0, i-200):min(len(text), i+200)])
		}
	}
}

func TestSayAccess(t *testing.T) {
	closed := closedConfig(t)
	jwks := testConfig()
	jwks.Access.Open, jwks.Tokens.JWKSURL, jwks.Tokens.KeyFile = false, "https://a.example/keys", []string{"a", "b"}
	anonymous := testConfig()
	anonymous.Access.Open, anonymous.Policy.Anonymous = false, []string{"read", "see"}
	others := testConfig()
	others.Serving.Listen = []string{"127.0.0.1:1", "0.0.0.0:80"}
	for want, cfg := range map[string]config.Config{
		`level=INFO msg="who may do what" withToken="what the token says, checked by 1 × secret" withoutToken="none; in news: read"`:                          closed,
		`level=INFO msg="who may do what" withToken="what the token says, checked by 2 × file of keys, the keys at https://a.example/keys" withoutToken=none`: jwks,
		`level=INFO msg="who may do what" withToken="as without: there are no keys" withoutToken="read, see"`:                                                 anonymous,
		`level=INFO msg="whoever is on this machine may do everything"`:                                                                                       testConfig(),
		`level=WARN msg="anyone who reaches this node may do everything" listen=0.0.0.0:80`:                                                                   others,
	} {
		var out bytes.Buffer
		sayAccess(slog.New(slog.NewTextHandler(&out, nil)), &cfg)
		if _, got, _ := strings.Cut(strings.TrimSpace(out.String()), " "); got != want {
			t.Errorf("got %s\nwant %s", got, want)
		}
	}
}

func TestMetricsGuard(t *testing.T) {
	var from config.Prefix
	if err := from.UnmarshalText([]byte("10.0.0.0/8")); err != nil {
		t.Fatal(err)
	}
	h := metricsGuard([]config.Prefix{from}, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	for _, test := range []struct {
		remote, header string
		want           int
	}{
		{"127.0.0.1:5", "", 204},
		{"[::1]:5", "", 204},
		{"[::ffff:127.0.0.1]:5", "", 204},
		{"10.1.2.3:5", "", 204},
		{"10.1.2.3:5", "X-Forwarded-For: 10.1.2.3", 204},
		{"11.1.2.3:5", "", 403},
		{"[2001:db8::1]:5", "", 403},
		{"127.0.0.1:5", "X-Forwarded-For: 11.1.2.3", 403}, // a proxy on this machine, for whomever
		{"127.0.0.1:5", "Forwarded: for=127.0.0.1", 403},
		{"127.0.0.1:5", "Via: 1.1 proxy", 403},
		{"nonsense", "", 403},
	} {
		r := request("GET", test.header)
		r.RemoteAddr = test.remote
		w := answerOf(h, r)
		if w.Code != test.want || test.want == 403 && !strings.Contains(w.Body.String(), "--metrics-from") {
			t.Errorf("%s, %s: got %d %s, want %d", test.remote, test.header, w.Code, w.Body, test.want)
		}
	}
}
