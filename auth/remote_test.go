package auth_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/pabal/pabal/auth"
)

// A provider is a server of keys.
type provider struct {
	mu      sync.Mutex
	keys    []object
	status  int // 0: 200
	body    string
	fetched atomic.Int32
}

func (p *provider) set(keys ...object) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys, p.status, p.body = keys, 0, ""
}

func (p *provider) fail(status int, body string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.status, p.body = status, body
}

func (p *provider) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	p.fetched.Add(1)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.status != 0 {
		w.WriteHeader(p.status)
		_, _ = io.WriteString(w, p.body)
		return
	}
	_ = json.NewEncoder(w).Encode(object{"keys": p.keys})
}

// RoundTrip lets a provider be asked without a network.
func (p *provider) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r)
	return w.Result(), nil
}

func ecJWK(id string, k *ecdsa.PrivateKey) object {
	point := must(k.PublicKey.Bytes())
	return object{"kty": "EC", "crv": "P-256", "use": "sig", "kid": id, "x": encode(string(point[1:33])), "y": encode(string(point[33:]))}
}

func ecToken(id string, k *ecdsa.PrivateKey, and object) string {
	header := object{}
	if id != "" {
		header["kid"] = id
	}
	return sign(jwt.SigningMethodES256, k, header, claims(and))
}

// Keys come and go at the URL. A token of a new one is good at once, that of an
// old one no longer, and while the URL fails those known count.
func TestRotation(t *testing.T) {
	p := new(provider)
	p.set(ecJWK("one", ecKey), object{"kty": "RSA", "kid": "enc", "use": "enc"}, object{"kty": "oct", "kid": "hs", "k": encode(string(secret))}, object{"kty": "strange"})
	server := httptest.NewServer(p)
	defer server.Close()
	client := server.Client()
	defer client.CloseIdleConnections()
	var log lockedBuffer
	a := open(t, auth.Config{Keys: []auth.Key{{ID: "own", File: file(t, publicPEM(edKey.Public()))}}, JWKS: server.URL, Refetch: time.Nanosecond, Client: client, Log: slog.New(slog.NewTextHandler(&log, nil))})
	expect := func(what, token, want string) {
		t.Helper()
		_, err := a.Renew(t.Context(), token)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: got %v, want %q", what, err, want)
		}
	}
	one, two := ecToken("one", ecKey, nil), ecToken("two", strangerKey, nil)
	own := sign(jwt.SigningMethodEdDSA, edKey, object{"kid": "own"}, claims(nil))
	expect("the first key", one, "")
	expect("the second, which is not there", two, "is not known here")
	expect("a secret that anybody can read", sign(jwt.SigningMethodHS256, secret, object{"kid": "hs"}, claims(nil)), "is not known here")
	expect("the server's own", own, "")

	before := p.fetched.Load()
	p.set(ecJWK("one", ecKey), ecJWK("two", strangerKey))
	expect("the second, which has come", two, "")
	expect("the first, still", one, "")
	if got := p.fetched.Load() - before; got != 1 {
		t.Errorf("it was read %d times for one new key", got)
	}

	for _, failure := range []struct {
		status int
		body   string
	}{{500, ""}, {404, "{}"}, {200, "no"}, {200, "{}"}, {200, `{"keys":[]}`}, {200, `{"keys":[{"kty":"oct"}]}`}, {200, `{"keys":[` + strings.Repeat("{},", 200) + `{}]}`}, {200, strings.Repeat(" ", 2<<20)}} {
		p.fail(failure.status, failure.body)
		expect("one that is not known, while the URL fails", ecToken("three", strangerKey, nil), "is not known here")
		expect("one that was known", ecToken("two", strangerKey, object{"n": failure.body[:min(9, len(failure.body))], "s": failure.status}), "")
	}
	if !strings.Contains(log.String(), "the answer is 500") || !strings.Contains(log.String(), "the answer has more than") {
		t.Errorf("the log does not say why it failed:\n%s", log.String())
	}

	p.set(ecJWK("two", strangerKey))
	expect("a third, which is not there", ecToken("three", ecKey, nil), "is not known here")
	expect("the first, which is gone", one, `"one" is not known here`)
	expect("the server's own, still", own, "")
	expect("without a name", ecToken("", strangerKey, nil), "")
}

// lockedBuffer may be written to while it is read.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// However many tokens name keys that nobody knows, the URL is asked now and
// then.
func TestUnknownKeysAreNoFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := new(provider)
		p.set(ecJWK("one", ecKey))
		a := open(t, auth.Config{JWKS: "https://keys.example/", Client: &http.Client{Transport: p}})
		time.Sleep(10 * time.Second)
		before := p.fetched.Load()
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() { _, _ = a.Renew(t.Context(), ecToken("x", strangerKey, nil)) })
		}
		all.Wait()
		for range 100 {
			time.Sleep(time.Second)
			_, _ = a.Renew(t.Context(), ecToken("x", strangerKey, nil))
		}
		if got := p.fetched.Load() - before; got != 11 {
			t.Errorf("it was read %d times in 100 seconds, want 11", got)
		}
	})
}

// Those who come with a new key while it is being read wait for it together,
// and no longer than they like.
func TestOneReadForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := new(provider)
		p.set(ecJWK("one", ecKey))
		slow := slowly{p, 3 * time.Second}
		a := open(t, auth.Config{JWKS: "https://keys.example/", Client: &http.Client{Transport: slow}})
		time.Sleep(10 * time.Second)
		p.set(ecJWK("two", strangerKey))
		before := p.fetched.Load()
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				if _, err := a.Renew(t.Context(), ecToken("two", strangerKey, nil)); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		if _, err := a.Renew(ctx, ecToken("two", strangerKey, nil)); err == nil || time.Since(began) != time.Second {
			t.Errorf("who waits for a second: got %v after %v", err, time.Since(began))
		}
		all.Wait()
		if got := p.fetched.Load() - before; got != 1 {
			t.Errorf("it was read %d times", got)
		}
	})
}

type slowly struct {
	next http.RoundTripper
	by   time.Duration
}

func (s slowly) RoundTrip(r *http.Request) (*http.Response, error) {
	select {
	case <-time.After(s.by):
		return s.next.RoundTrip(r)
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

// Keys are read again by themselves; those that cannot be are kept for a day,
// and then nobody knows whether they are still good.
func TestKeysAreKeptForADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := new(provider)
		p.set(ecJWK("one", ecKey))
		a := open(t, auth.Config{JWKS: "https://keys.example/", Client: &http.Client{Transport: p}, Keys: []auth.Key{{ID: "hs", Secret: secret}}})
		one := ecToken("one", ecKey, object{"exp": time.Now().Add(1000 * time.Hour).Unix()})
		own := sign(jwt.SigningMethodHS256, secret, nil, object{"exp": time.Now().Add(1000 * time.Hour).Unix()})
		status := func(token string) int {
			if _, err := a.Renew(t.Context(), token); err != nil {
				return asProblem(t, err).Status
			}
			return 200
		}
		time.Sleep(48 * time.Hour)
		if got := status(one); got != 200 {
			t.Errorf("after two days of reading: got %d", got)
		}
		if got := p.fetched.Load(); got < 190 || got > 194 {
			t.Errorf("it was read %d times in two days, want every 15 minutes", got)
		}
		p.fail(500, "")
		time.Sleep(23 * time.Hour)
		if got := status(one); got != 200 {
			t.Errorf("after 23 hours of failure: got %d", got)
		}
		time.Sleep(2 * time.Hour)
		if got, hs := status(one), status(own); got != 503 || hs != 200 {
			t.Errorf("after 25 hours of failure: got %d and %d, want 503, and 200 for a key that is not from there", got, hs)
		}
		p.set(ecJWK("one", ecKey))
		time.Sleep(time.Minute)
		if got := status(one); got != 200 {
			t.Errorf("once it can be read: got %d", got)
		}
		p.set(ecJWK("two", strangerKey))
		time.Sleep(16 * time.Minute)
		if got := status(one); got != 401 {
			t.Errorf("after the key is gone: got %d", got)
		}
	})
}

// A server of keys that is down does not keep a node down.
func TestKeysThatComeLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := new(provider)
		p.set(ecJWK("one", ecKey))
		began := time.Now()
		hung := &http.Client{Transport: slowly{p, time.Hour}}
		a := open(t, auth.Config{JWKS: "https://keys.example/", Client: hung})
		if took := time.Since(began); took != 5*time.Second {
			t.Errorf("it took %v to begin", took)
		}
		one := ecToken("one", ecKey, nil)
		_, err := a.Renew(t.Context(), one)
		if err == nil || asProblem(t, err).Status != 503 || asProblem(t, err).RetryAfter == 0 {
			t.Errorf("before there are keys: got %v", err)
		}
		a.Close()
		if _, err := a.Renew(t.Context(), one); err == nil {
			t.Error("after Close: it is good")
		}
	})
}

func TestURLs(t *testing.T) {
	for _, url := range []string{"http://keys.example/", "keys.example", "ftp://keys.example/", "https://", "http://127.0.0.1.example/", "file:///etc/keys", "::"} {
		if a, err := auth.New(auth.Config{JWKS: url}); err == nil {
			a.Close()
			t.Errorf("%s: it is taken", url)
		}
	}
	// A redirect leads nowhere that anybody between could answer for.
	target := httptest.NewServer(http.RedirectHandler("http://keys.example/", http.StatusFound))
	defer target.Close()
	var log lockedBuffer
	a := open(t, auth.Config{JWKS: target.URL, Log: slog.New(slog.NewTextHandler(&log, nil))})
	defer a.Close()
	if !strings.Contains(log.String(), "it redirects to http://keys.example/") {
		t.Errorf("the log says:\n%s", log.String())
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
}
