package line

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/pabal/pabal/bench/cost/browser"
)

// counting counts on the server's side too.
type counting struct {
	net.Listener
	count Count
	open  sync.WaitGroup // connections
}

type countingConn struct {
	counted
	gone func()
}

func (l *counting) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.open.Add(1)
	return &countingConn{counted{conn, &l.count}, sync.OnceFunc(l.open.Done)}, nil
}

func (c *countingConn) Close() error {
	defer c.gone()
	return c.counted.Close()
}

// serve starts a server and returns a dialer of it.
func serve(t *testing.T, secure, h2 bool, handler http.HandlerFunc) (*Dialer, *counting) {
	t.Helper()
	s := httptest.NewUnstartedServer(handler)
	l := &counting{Listener: s.Listener}
	s.Listener = l
	d := &Dialer{Address: s.Listener.Addr().String(), HTTP2: h2, Streams: 2, Count: &Count{}}
	s.EnableHTTP2 = h2
	if secure {
		s.StartTLS()
		d.TLS = &tls.Config{RootCAs: s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs, ServerName: "example.com", MinVersion: tls.VersionTLS13}
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return d, l
}

var protocols = []struct {
	name       string
	secure, h2 bool
}{{"h1", false, false}, {"h1 + TLS", true, false}, {"h2 + TLS", true, true}}

func TestRequestsAreAnsweredAndCounted(t *testing.T) {
	for _, p := range protocols {
		d, l := serve(t, p.secure, p.h2, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Pabal-Cursor", r.URL.Query().Get("cursor"))
			switch r.URL.Path {
			case "/empty":
				w.WriteHeader(http.StatusNoContent)
			case "/refused":
				http.Error(w, "not so", http.StatusTeapot)
			default:
				w.Header().Set("Content-Length", "100000")
				_, _ = w.Write(bytes.Repeat([]byte("x"), 100_000))
			}
		})
		conn, err := d.Dial(t.Context())
		if err != nil {
			t.Fatalf("%s: %v", p.name, err)
		}
		for i, path := range []string{"/full", "/empty", "/full"} {
			cursor := fmt.Sprint("e-", i)
			h := ask(t, conn, path+"?cursor="+cursor)
			body, err := io.ReadAll(conn)
			if want := map[string]int{"/full": 100_000}[path]; err != nil || len(body) != want || h.Cursor != cursor {
				t.Errorf("%s, %s: got %d bytes, %v, cursor %s; want %d, cursor %s", p.name, path, len(body), err, h.Cursor, want, cursor)
			}
		}
		if err := conn.Ask(browser.Request{Host: "localhost", Path: "/refused", Secure: true}); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Head(); err == nil || !strings.Contains(err.Error(), "418: not so") {
			t.Errorf("%s, refused: got %v, want its status and its reason", p.name, err)
		}
		conn.Close()
		l.open.Wait()
		if sent, got := d.Count.Out.Load(), l.count.In.Load(); sent != got || sent == 0 {
			t.Errorf("%s: counted %d bytes up, the server %d", p.name, sent, got)
		}
		// The server may have said goodbye to who is gone.
		if in, out := d.Count.In.Load(), l.count.Out.Load(); in > out || in < 200_000 || out-in > 100 {
			t.Errorf("%s: counted %d bytes down, the server %d", p.name, in, out)
		}
	}
}

func ask(t *testing.T, l Line, path string) Head {
	t.Helper()
	if err := l.Ask(browser.Request{Host: "localhost", Path: path, Secure: true}); err != nil {
		t.Fatal(err)
	}
	h, err := l.Head()
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestWhatGoesOnIsReadAsItComes(t *testing.T) {
	for _, p := range protocols {
		more := make(chan string)
		d, l := serve(t, p.secure, p.h2, func(w http.ResponseWriter, r *http.Request) {
			rc := http.NewResponseController(w)
			for {
				_ = rc.Flush()
				select {
				case text := <-more:
					_, _ = io.WriteString(w, text)
				case <-r.Context().Done():
					return
				}
			}
		})
		conn, err := d.Dial(t.Context())
		if err != nil {
			t.Fatalf("%s: %v", p.name, err)
		}
		ask(t, conn, "/")
		buf := make([]byte, 100)
		for _, text := range []string{"one", "two"} {
			more <- text
			n, err := conn.Read(buf)
			if got := string(buf[:n]); err != nil || got != text {
				t.Errorf("%s: got %q, %v, want %q", p.name, got, err, text)
			}
		}
		broken := make(chan error)
		go func() {
			_, err := conn.Read(buf)
			broken <- err
		}()
		conn.Close()
		if err := <-broken; err == nil {
			t.Errorf("%s: a read of a closed line: got no error", p.name)
		}
		l.open.Wait() // the connection is gone
	}
}

func TestLinesShareAConnection(t *testing.T) {
	remotes := make(chan string, 5)
	d, _ := serve(t, true, true, func(_ http.ResponseWriter, r *http.Request) { remotes <- r.RemoteAddr })
	seen := map[string]int{}
	for range 5 {
		conn, err := d.Dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		ask(t, conn, "/")
		seen[<-remotes]++
	}
	if len(seen) != 3 { // 2, 2 and 1
		t.Errorf("got connections with %v lines, want three with two at most", seen)
	}
}

func TestWebSocketFrames(t *testing.T) {
	long := strings.Repeat("x", 300)
	in := "\x81\x02hi" + "\x89\x03abc" + "\x82\x7e\x01\x2c" + long + "\x8a\x00" + "\x81\x00" + "\x81\x01!" + "\x88\x02\x03\xe8"
	var out bytes.Buffer
	f := &frames{in: bufio.NewReader(strings.NewReader(in)), out: &out}
	got, err := io.ReadAll(f)
	if want := "hi" + long + "!"; err != nil || string(got) != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	if got, want := out.String(), "\x8a\x83\x00\x00\x00\x00abc"; got != want {
		t.Errorf("answered the ping with %q, want %q", got, want)
	}
	f = &frames{in: bufio.NewReader(strings.NewReader("\x8b\x00"))}
	if _, err := io.ReadAll(f); err == nil {
		t.Error("an unknown opcode: got no error")
	}
}

func TestFramesOfHTTP2(t *testing.T) {
	want := frame{kind: frameData, flags: flagEndStream | flagPadded, stream: 7, payload: []byte("\x02hello..")}
	var buf [frameMost]byte
	got, err := readFrame(bytes.NewReader(appendFrame(nil, want)), buf[:])
	if err != nil || got.kind != want.kind || got.flags != want.flags || got.stream != want.stream {
		t.Fatalf("got %+v, %v, want %+v", got, err, want)
	}
	if content, err := got.content(); err != nil || string(content) != "hello" {
		t.Errorf("got %q, %v, want hello", content, err)
	}
	got.payload = []byte("\x09x")
	if _, err := got.content(); err == nil {
		t.Error("more padding than there is: got no error")
	}
	var w window
	if a, b := w.add(10, 15), w.add(10, 15); a != 0 || b != 20 {
		t.Errorf("the window: got %d and %d back, want 0 and 20", a, b)
	}
}
