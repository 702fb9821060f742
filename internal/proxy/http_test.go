package proxy

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// answering is a server that reads requests, and answers each with what it is
// given.
func answering(requests chan<- *http.Request, answers <-chan string) func(*net.TCPConn) {
	return func(conn *net.TCPConn) {
		in := bufio.NewReader(conn)
		for {
			r, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
			requests <- r
			for answer := range answers {
				if answer == "" {
					break
				}
				if _, err := io.WriteString(conn, answer); err != nil {
					return
				}
			}
		}
	}
}

// want reads exactly text.
func want(t *testing.T, conn *net.TCPConn, text string) {
	t.Helper()
	got := make([]byte, len(text))
	if n, err := io.ReadFull(conn, got); err != nil || string(got) != text {
		t.Fatalf("got %q and %v, want %q", got[:n], err, text)
	}
}

// A response is held back until enough is together, or it has ended.
func TestBuffer(t *testing.T) {
	requests, answers := make(chan *http.Request, 1), make(chan string)
	p := serve(t, Faults{Buffer: 200}, answering(requests, answers))
	conn := dial(t, p)
	defer close(answers)
	ask := func(method string) {
		t.Helper()
		if _, err := fmt.Fprintf(conn, "%s /a HTTP/1.1\r\nHost: a\r\n\r\n", method); err != nil {
			t.Fatal(err)
		}
		if r := <-requests; r.Method != method {
			t.Fatalf("the server got %s", r.Method)
		}
	}
	const head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	ask("GET")
	answers <- head
	answers <- "5\r\nhello\r\n"
	silence(t, conn)
	long := "a0\r\n" + strings.Repeat("x", 160) + "\r\n"
	answers <- long // more than 200 with the head
	want(t, conn, head+"5\r\nhello\r\n"+long)
	answers <- "1\r\nx\r\n"
	silence(t, conn)
	answers <- "0\r\n\r\n"
	want(t, conn, "1\r\nx\r\n0\r\n\r\n")
	answers <- ""
	for _, c := range []struct{ method, part, rest string }{
		{"GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", "lo"},
		{"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", "\r\n"},
		{"GET", "HTTP/1.1 204 No Content\r\n", "\r\n"},
		{"GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n", "\r\n"},
		{"GET", head + "3\r\nabc\r\n0\r\nTrailer: x\r\n", "\r\n"},
	} {
		ask(c.method)
		answers <- c.part
		silence(t, conn)
		answers <- c.rest
		want(t, conn, c.part+c.rest)
		answers <- ""
	}
	ask("HEAD")
	answers <- "HTTP/1.1 100 Continue\r\n\r\n"
	want(t, conn, "HTTP/1.1 100 Continue\r\n\r\n")
	answers <- "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" // of the HEAD
	want(t, conn, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
	answers <- ""
	ask("GET")
	answers <- "HTTP/1.1 101 Switching Protocols\r\n\r\n"
	want(t, conn, "HTTP/1.1 101 Switching Protocols\r\n\r\n")
	answers <- "a"
	want(t, conn, "a")
}

// What ends with the connection passes when that ends.
func TestBufferToTheEnd(t *testing.T) {
	answered, end := make(chan struct{}), make(chan struct{})
	p := serve(t, Faults{Buffer: 1000}, func(conn *net.TCPConn) {
		_, _ = conn.Read(make([]byte, 1000))
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\nhello")
		close(answered)
		<-end
	})
	conn := dial(t, p)
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	<-answered
	silence(t, conn)
	close(end)
	want(t, conn, "HTTP/1.1 200 OK\r\n\r\nhello")
	if n, err := conn.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		t.Fatalf("then %d bytes and %v", n, err)
	}
}

// What a client's WebSocket handshake asks for is removed, of every request on
// a connection, and nothing else is.
func TestStripUpgrade(t *testing.T) {
	requests, answers := make(chan *http.Request, 1), make(chan string)
	p := serve(t, Faults{StripUpgrade: true}, answering(requests, answers))
	conn := dial(t, p)
	defer close(answers)
	for _, body := range []string{"Content-Length: 5\r\n\r\nhello", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "\r\n"} {
		_, err := io.WriteString(conn, "POST /a?b=%20 HTTP/1.1\r\nHost: a\r\nX-Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"+
			"UPGRADE: websocket\r\nSec-WebSocket-Key: abc\r\nsec-websocket-version: 13\r\nCookie: a=b\r\n"+body)
		if err != nil {
			t.Fatal(err)
		}
		r := <-requests
		got, _ := io.ReadAll(r.Body)
		if body != "\r\n" && string(got) != "hello" {
			t.Errorf("the body is %q", got)
		}
		for _, name := range []string{"Upgrade", "Sec-WebSocket-Key", "Sec-WebSocket-Version"} {
			if r.Header.Get(name) != "" {
				t.Errorf("%s: %s is still there", name, r.Header.Get(name))
			}
		}
		if r.RequestURI != "/a?b=%20" || r.Header.Get("Connection") != "keep-alive" || r.Header.Get("Cookie") != "a=b" || r.Header.Get("X-Upgrade") != "websocket" {
			t.Errorf("what came is %s with %v", r.RequestURI, r.Header)
		}
		answers <- ""
	}
}

// However what passes is cut into pieces, the messages in it are the same.
func TestFramerPieces(t *testing.T) {
	text := []byte("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc" +
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4;x=y\r\nab\r\n\r\n10\r\n0123456789abcdef\r\n0\r\nA: b\r\n\r\n" +
		"HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\n\r\nto the end")
	for size := 1; size <= len(text); size++ {
		l := &link{}
		r := newResponses(l, newRequests(l))
		var out []byte
		messages := 0
		for piece := text; len(piece) > 0; piece = piece[min(size, len(piece)):] {
			b, ended := r.feed(piece[:min(size, len(piece))])
			out = append(out, b...)
			if ended {
				messages++
			}
		}
		if !bytes.Equal(out, text) || l.opaque.Load() || r.in != inBody || r.left != endless {
			t.Fatalf("in pieces of %d: %q; in part %d", size, out, r.in)
		}
		if size == 1 && messages != 4 {
			t.Fatalf("%d messages ended, want 4", messages)
		}
	}
}
