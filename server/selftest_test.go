package server

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pabal/pabal/internal/h2connect"
	"github.com/pabal/pabal/server/config"

	_ "github.com/pabal/pabal/server/xconnect"
)

// dialSocket asks the server at url for a WebSocket over HTTP/2.
func dialSocket(t *testing.T, url, path string, unoffered bool, header ...string) (*h2connect.Stream, error) {
	t.Helper()
	scheme, address, _ := strings.Cut(url, "://")
	conn, err := net.DialTimeout("tcp", address, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if scheme == "https" {
		conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	}
	return h2connect.Open(conn, h2connect.Request{
		Scheme: scheme, Authority: address, Path: path, Unoffered: unoffered, Header: append(header, "Sec-WebSocket-Version: 13"),
	})
}

// loggedNode runs a whole server, and returns it with what it logged until it had
// said where it listens.
func loggedNode(t *testing.T, cfg config.Config) (s *Server, r running, log string) {
	t.Helper()
	var text bytes.Buffer
	s, err := New(cfg, slog.New(slog.NewTextHandler(&text, nil)))
	if err != nil {
		t.Fatal(err)
	}
	r = run(t, s)
	return s, r, text.String()
}

// A server offers WebSockets over HTTP/2 as it is told to, with TLS and without,
// and finds out whether they work.
func TestStreamSockets(t *testing.T) {
	files := newPair(t, "server")
	for _, mode := range []string{"auto", "on", "off"} {
		for _, secure := range []bool{false, true} {
			cfg := testConfig()
			cfg.Serving.WebSocketH2 = mode
			if secure {
				cfg.Serving.TLSCert, cfg.Serving.TLSKey = files.certFile, files.keyFile
			}
			s, r, log := loggedNode(t, cfg)
			name := mode + " " + r.url
			if works := strings.Contains(log, "a WebSocket over HTTP/2 works"); works != (mode != "off") {
				t.Errorf("%s: logged %s", name, log)
			}
			if n := s.parts.hub.Stats().Sessions; n != 0 {
				t.Errorf("%s: the self-test left %d sessions", name, n)
			}
			stream, err := dialSocket(t, r.url, "/channels/a", false)
			switch {
			case err == nil && mode != "off":
				stream.Close()
			case mode != "off" || !errors.Is(err, h2connect.ErrNotOffered):
				t.Errorf("%s: got %v", name, err)
			}
			var refused *h2connect.Refused
			if stream, err = dialSocket(t, r.url, "/channels/a", true); mode != "off" && err == nil {
				stream.Close()
			} else if !errors.As(err, &refused) || refused.Status != http.StatusNotImplemented {
				t.Errorf("%s: asked without an offer: got %v, want status 501", name, err)
			}
			r.stop()
		}
	}
}

// Who may open a WebSocket over HTTP/2 is asked as over HTTP/1.1, and it is not
// taken for a request with a body.
func TestOriginsOfStreamSockets(t *testing.T) {
	cfg := testConfig()
	cfg.Access.AllowOrigin = []config.Origin{"https://friend.test"}
	_, r, _ := loggedNode(t, cfg)
	defer r.stop()
	for _, c := range []struct {
		path   string
		header []string
		status int // 0: it opens
	}{
		{"/channels/a", nil, 0},
		{"/channels/a", []string{"Origin: " + r.url}, 0},
		{"/channels/a", []string{"Origin: " + r.url, "Sec-Fetch-Site: same-origin"}, 0},
		{"/channels/a", []string{"Origin: https://friend.test", "Sec-Fetch-Site: cross-site"}, 0},
		{"/channels/a", []string{"Origin: https://evil.test", "Sec-Fetch-Site: cross-site"}, 403},
		{"/channels/a", []string{"Origin: https://evil.test"}, 403},
		{"/channels//a", nil, 400},
		{"/health", nil, 405},
	} {
		stream, err := dialSocket(t, r.url, c.path, false, c.header...)
		var refused *h2connect.Refused
		switch {
		case err == nil:
			stream.Close()
			refused = &h2connect.Refused{}
		case !errors.As(err, &refused):
			t.Errorf("%s %q: %v", c.path, c.header, err)
			continue
		}
		if refused.Status != c.status {
			t.Errorf("%s %q: got status %d, %s, want %d", c.path, c.header, refused.Status, refused.Body, c.status)
		}
	}
}

// Where the self-test fails, auto withdraws the offer and on does not.
func TestSelfTestFails(t *testing.T) {
	for what, handler := range map[string]http.HandlerFunc{
		"the path does not take it": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) },
		"what comes is no frame":    func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("\x81\x02{}")) },
		"a close frame comes":       func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("\x88\x02\x03\xe9")) },
	} {
		for _, mode := range []string{"auto", "on"} {
			cfg := testConfig()
			cfg.Serving.WebSocketH2 = mode
			p := testParts()
			p.read = handler
			s, err := newServer(cfg, slog.New(slog.DiscardHandler), p)
			if err != nil {
				t.Fatal(err)
			}
			r := run(t, s)
			if _, err := dialSocket(t, r.url, "/channels/a", false); errors.Is(err, h2connect.ErrNotOffered) != (mode == "auto") {
				t.Errorf("%s: %s: got %v", what, mode, err)
			}
			r.stop()
		}
	}
}

// A self-test is of this server alone, and does not wait for ever.
func TestSelfTestOfAnother(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	mine, theirs := newPair(t, "ours"), newPair(t, "theirs")
	ours, err := newCertificate(mine.certFile, mine.keyFile, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(theirs.certFile, theirs.keyFile)
	if err != nil {
		t.Fatal(err)
	}
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		if conn, err := l.Accept(); err == nil {
			over := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2"}})
			_ = over.Handshake()
			_ = over.Close()
		}
	}()
	if err := selfTest(t.Context(), l, ours); err == nil || !strings.Contains(err.Error(), "another server") {
		t.Errorf("got %v, want something about another server", err)
	}
	<-answered

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := selfTest(ctx, l, nil); !errors.Is(err, context.DeadlineExceeded) { // nobody accepts
		t.Errorf("got %v, want %v", err, context.DeadlineExceeded)
	}
}
