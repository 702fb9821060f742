package h2offer

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pabal/pabal/internal/h2connect"
	_ "github.com/pabal/pabal/server/xconnect"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve serves an echo of bodies, gated, with TLS and without.
func serve(t *testing.T, offers func() bool) (plain, secure *httptest.Server) {
	t.Helper()
	echo := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Version", r.Proto)
		if r.TLS != nil {
			w.Header().Set("Version", r.Proto+" "+tls.VersionName(r.TLS.Version))
		}
		_ = http.NewResponseController(w).Flush()
		_, _ = io.Copy(w, r.Body)
	})
	plain, secure = httptest.NewUnstartedServer(echo), httptest.NewUnstartedServer(echo)
	for _, s := range []*httptest.Server{plain, secure} {
		s.Config.Protocols = new(http.Protocols)
		s.Config.Protocols.SetHTTP1(true)
		s.Config.Protocols.SetHTTP2(true)
		s.Config.Protocols.SetUnencryptedHTTP2(true)
		if err := Gate(s.Config, offers); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
	}
	plain.Start()
	secure.EnableHTTP2 = true
	secure.StartTLS()
	return plain, secure
}

// dial opens a stream at server.
func dial(t *testing.T, server *httptest.Server) (*h2connect.Stream, error) {
	t.Helper()
	conn, err := net.DialTimeout("tcp", server.Listener.Addr().String(), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if server.TLS != nil {
		trusted := server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
		conn = tls.Client(conn, &tls.Config{RootCAs: trusted, ServerName: "example.com", NextProtos: []string{"h2"}})
	}
	return h2connect.Open(conn, h2connect.Request{Authority: "example.com", Path: "/"})
}

// The offer is made while it is wanted, and all else goes on as before.
func TestGate(t *testing.T) {
	var offered atomic.Bool
	plain, secure := serve(t, offered.Load)
	for _, server := range []*httptest.Server{plain, secure} {
		for _, want := range []bool{false, true, false} {
			offered.Store(want)
			s, err := dial(t, server)
			if want != (err == nil) || !want && !errors.Is(err, h2connect.ErrNotOffered) {
				t.Errorf("%s: offered: %v, but dialled with %v", server.URL, want, err)
			}
			if err == nil {
				s.Close()
			}
		}
		unencrypted := &http.Transport{Protocols: new(http.Protocols)}
		unencrypted.Protocols.SetUnencryptedHTTP2(true)
		clients := map[string]http.RoundTripper{"HTTP/2.0 TLS 1.3": server.Client().Transport}
		if server == plain {
			clients = map[string]http.RoundTripper{"HTTP/1.1": server.Client().Transport, "HTTP/2.0": unencrypted}
		}
		for version, transport := range clients {
			offered.Store(false)
			body := strings.Repeat("파발", 100_000)
			resp, err := (&http.Client{Transport: transport}).Post(server.URL, "text/plain", strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if err != nil || string(got) != body || resp.Header.Get("Version") != version {
				t.Errorf("%s: got %d bytes over %q, %v, want %d over %q", server.URL, len(got), resp.Header.Get("Version"), err, len(body), version)
			}
			transport.(*http.Transport).CloseIdleConnections()
		}
	}
}

func TestWithoutOffer(t *testing.T) {
	const one, two, eight = "\x00\x01\x00\x00\x00\x01", "\x00\x02\x00\x00\x00\x08", "\x00\x08\x00\x00\x00\x01"
	head := func(n int) string { return string([]byte{0, 0, byte(n), 4, 0, 0, 0, 0, 0}) }
	const more = "\x00\x00\x04\x08\x00\x00\x00\x00\x00\x00\x00\x08\x08"
	for _, c := range []struct{ given, want string }{
		{head(18) + one + two + eight + more, head(12) + one + two + more},
		{head(18) + one + eight + two, head(12) + one + two},
		{head(12) + one + two + more, head(12) + one + two + more},
		{head(6) + eight, head(0)},
		{head(0), head(0)},
		{head(18) + one, head(18) + one}, // not all of it: left as it is
		{"HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"},
		{"", ""},
	} {
		given := []byte(c.given)
		if got := withoutOffer(given); string(got) != c.want {
			t.Errorf("%q: got %q, want %q", c.given, got, c.want)
		}
		if !bytes.Equal(given, []byte(c.given)) {
			t.Errorf("%q was changed to %q", c.given, given)
		}
	}
}

// A client of TLS that does not begin as HTTP/2 does is left.
func TestPreface(t *testing.T) {
	for _, c := range []struct {
		sent string
		ok   bool
	}{{preface + "x", true}, {strings.Repeat("x", len(preface)), false}, {preface[:5], false}} {
		in := strings.NewReader(c.sent)
		var r prefaceReader
		if err := r.read(in); (err == nil) != c.ok {
			t.Errorf("%q: got %v, want it taken: %v", c.sent, err, c.ok)
		}
		if rest, _ := io.ReadAll(in); c.ok && string(rest) != "x" {
			t.Errorf("%q: the rest is %q", c.sent, rest)
		}
	}
}
