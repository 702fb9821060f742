package server

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pabal/pabal/auth"
	"github.com/pabal/pabal/server/config"
)

// What docs/security.md says is tried here, on a node that is configured by a
// file and listens on a port: whatever should not get in is refused, by a status
// and words that name the rule or the limit, while a crowd beside it reads on.
func TestNobodyGetsIn(t *testing.T) {
	for _, pump := range []string{"auto", "goroutine"} {
		t.Run(pump, func(t *testing.T) {
			s := newSiege(t, pump)
			c := gather(t, s)
			t.Run("tokens", s.tokens)
			t.Run("pages", s.pages)
			t.Run("inboxes", s.inboxes)
			t.Run("calls", s.calls)
			t.Run("patterns", s.patterns)
			t.Run("names", s.names)
			t.Run("requests", s.requests)
			t.Run("frames", s.frames)
			t.Run("subscriptions", s.subscriptions)
			t.Run("commands", s.commands)
			t.Run("many readers", s.manyReaders)
			t.Run("many bodies", s.manyBodies)
			if pump == "auto" { // which makes no difference to them
				t.Run("many channels", s.manyChannels)
			}
			c.leave(t)
			s.end(t)
		})
	}
}

const siegeFile = `
listen: 127.0.0.1:0
broker: memory
host-metrics: false
log-level: debug
pump: PUMP
token-secret-file: DIR/secret
token-key-file: DIR/ed25519.pem
token-key: P256
token-audience: pabal.test
token-issuer: https://issuer.test
token-cookie: pabal_token
allow-origin: https://friend.test
trusted-proxies: 127.0.0.0/8
command-rate: 40
request-rate: 100
max-message: 64KiB
body-bytes: 16MiB
keep-entries: 100000
keep-bytes: 64MiB
channels: 1000
channels-per-response: 20
sessions-per-address: 5
members: 3
calls-per-connection: 3
call-timeout: 1m
namespaces:
  - {match: "news/*", anonymous: read}
  - {match: "lobby", anonymous: [read, see]}
  - {match: "hidden/*", presence: "off"}
`

// A siege is a node, and what those have who try to get in.
type siege struct {
	url, address string
	node         *Server
	stop         func()
	log          *lockedBuffer
	secret       *auth.SigningKey
	public       [][]byte // keys, in PEM
	secrets      []string // which must not be logged
	ann          string   // a token that allows what a user is allowed
}

func newSiege(t *testing.T, pump string) *siege {
	t.Helper()
	dir := t.TempDir()
	write := func(name string, content []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := &siege{log: new(lockedBuffer)}
	write("secret", []byte(testSecret+"\n"))
	for _, alg := range []string{"EdDSA", "ES256"} { // one is in a file, one in the configuration
		_, public, err := auth.NewKey(alg)
		if err != nil {
			t.Fatal(err)
		}
		s.public = append(s.public, public)
	}
	write("ed25519.pem", s.public[0])
	write("pabal.yaml", []byte(strings.NewReplacer("DIR", dir, "PUMP", pump, "P256", strconv.Quote(string(s.public[1]))).Replace(siegeFile)))
	cfg, _, err := config.Load(config.Sources{File: filepath.Join(dir, "pabal.yaml")})
	if err != nil {
		t.Fatal(err)
	}
	if s.secret, err = auth.ReadSecret(filepath.Join(dir, "secret")); err != nil {
		t.Fatal(err)
	}
	if s.node, err = New(cfg, slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))); err != nil {
		t.Fatal(err)
	}
	r := run(t, s.node)
	s.url, s.address, s.stop = r.url, strings.TrimPrefix(r.url, "http://"), r.stop
	s.ann = s.token(t, auth.Claims{User: "ann", Rights: auth.Rights{
		Read: []string{"chat", "chat/*", "flood/*"}, Publish: []string{"chat", "chat/*", "flood/*"}, Call: []string{"shop"}, See: []string{"chat"},
	}})
	return s
}

// token signs c, for this node and an hour unless it says otherwise.
func (s *siege) token(t *testing.T, c auth.Claims) string {
	t.Helper()
	if c.Expires.IsZero() {
		c.Expires = time.Now().Add(time.Hour)
	}
	if c.Audience == nil {
		c.Audience = []string{"pabal.test"}
	}
	if c.Issuer == "" {
		c.Issuer = "https://issuer.test"
	}
	token, err := s.secret.Sign(c)
	if err != nil {
		t.Fatal(err)
	}
	s.secrets = append(s.secrets, token)
	return token
}

// end stops the node, and looks for what may not be in its log.
func (s *siege) end(t *testing.T) {
	t.Helper()
	s.stop()
	log := s.log.String()
	for _, secret := range s.secrets {
		if i := strings.Index(log, secret); i >= 0 {
			t.Errorf("the log has a token: %s…", log[max(0, i-200):i])
		}
	}
	for _, not := range []string{"panic", "level=ERROR"} {
		if i := strings.Index(log, not); i >= 0 {
			t.Errorf("the log has %q: %s…", not, log[max(0, i-100):min(len(log), i+1000)])
		}
	}
}

// An attempt to get in, and how it is refused. A header with the name Host stands
// for the one that the address gives, one that says how long the body is for that
// of the body.
type attempt struct {
	what, method, path string
	body               string
	header             []string
	status             int
	says               string // in the answer; or one of several, with | between them
}

// attempts makes all of them, and reports those that are not refused as they
// should be.
func (s *siege) attempts(t *testing.T, all ...attempt) {
	t.Helper()
	for _, a := range all {
		if err := s.refused(a); err != nil {
			t.Errorf("%s: %s %.80s: %v", a.what, a.method, a.path, err)
		}
	}
}

func (s *siege) refused(a attempt) error {
	got, err := s.ask(a.method, a.path, a.body, a.header...)
	switch {
	case err != nil:
		return err
	case got.status != a.status || !says(got.body, a.says):
		return fmt.Errorf("got %v, want %d and %q", got, a.status, a.says)
	case got.header.Get("Injected") != "":
		return fmt.Errorf("got a header that was smuggled in: %v", got.header)
	case (got.status == http.StatusUnauthorized) != strings.HasPrefix(got.header.Get("WWW-Authenticate"), "Bearer"):
		return fmt.Errorf("got %d with WWW-Authenticate: %q", got.status, got.header.Get("WWW-Authenticate"))
	case strings.HasPrefix(got.header.Get("Content-Type"), "application/problem+json") && a.method != http.MethodHead && !json.Valid([]byte(got.body)):
		return fmt.Errorf("got %s, want JSON", got.body)
	}
	return nil
}

// says reports whether text has one of several parts, with | between them.
func says(text, parts string) bool {
	return slices.ContainsFunc(strings.Split(parts, "|"), func(part string) bool { return strings.Contains(text, part) })
}

// An answered request.
type answered struct {
	status int
	header http.Header
	body   string
}

func (a answered) String() string { return fmt.Sprintf("%d %.500s", a.status, a.body) }

// ask sends a request as it is, whatever is wrong with it, and reads the answer.
func (s *siege) ask(method, path, body string, header ...string) (a answered, err error) {
	host, framed := "Host: "+s.address+"\r\n", false
	var lines strings.Builder
	for _, h := range header {
		name, _, _ := strings.Cut(strings.ToLower(h), ":")
		switch name {
		case "host":
			host = ""
		case "content-length", "transfer-encoding":
			framed = true
		}
		lines.WriteString(h + "\r\n")
	}
	if !framed && body != "" {
		fmt.Fprintf(&lines, "Content-Length: %d\r\n", len(body))
	}
	return s.raw(method, method+" "+path+" HTTP/1.1\r\n"+host+"Connection: close\r\n"+lines.String()+"\r\n"+body)
}

// patience is how long the node may take for anything. It is never waited for
// unless something is wrong.
const patience = 20 * time.Second

func (s *siege) raw(method, text string) (a answered, err error) {
	conn, err := net.DialTimeout("tcp", s.address, patience)
	if err != nil {
		return a, err
	}
	written := make(chan struct{})
	defer func() { _ = conn.Close(); <-written }()
	_ = conn.SetDeadline(time.Now().Add(patience))
	go func() {
		defer close(written)
		_, _ = io.WriteString(conn, text) // a node that has refused reads no further
	}()
	return readAnswer(bufio.NewReader(conn), method)
}

// readAnswer reads one answer, but of one that goes on only how it begins.
func readAnswer(in *bufio.Reader, method string) (a answered, err error) {
	res, err := http.ReadResponse(in, &http.Request{Method: method})
	if err != nil {
		return a, err
	}
	a = answered{status: res.StatusCode, header: res.Header}
	media, _, _ := strings.Cut(res.Header.Get("Content-Type"), ";")
	goesOn := method == http.MethodGet && res.StatusCode == http.StatusOK && media != "application/json" && media != "application/javascript"
	if res.StatusCode == http.StatusSwitchingProtocols || goesOn && res.ContentLength < 0 {
		return a, nil
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	a.body = string(body)
	return a, err
}

// bearer returns the header that has a token.
func bearer(token string) string { return "Authorization: Bearer " + token }

// commanded is an attempt by a command that is posted.
func commanded(what, token, query, text string, status int, says string) attempt {
	a := attempt{what: what, method: http.MethodPost, path: "/commands" + query, body: text, status: status, says: says}
	a.header = []string{"Content-Type: application/json"}
	if token != "" {
		a.header = append(a.header, bearer(token))
	}
	return a
}

// works fails the test unless the request is answered well: what is refused to
// some must not be refused to all.
func (s *siege) works(t *testing.T, method, path, body string, header ...string) string {
	t.Helper()
	got, err := s.ask(method, path, body, header...)
	if err != nil || got.status < 200 || got.status > 204 {
		t.Fatalf("%s %s: got %v, %v, want success", method, path, got, err)
	}
	return got.body
}
