package transport_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/transport"
)

// parking serves a node whose long polls are soon parked, until the test ends.
type parking struct {
	*node
	*testing.T
	address string
}

func newParking(t *testing.T, s *setup) *parking {
	t.Helper()
	s.reads.ParkAfter = time.Millisecond
	p := &parking{node: newNode(t, s), T: t}
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: p.node, ConnContext: transport.ConnContext}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(transport.NewListener(inner))
	}()
	p.address = inner.Addr().String()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := p.reads.Drain(ctx); err != nil {
			t.Errorf("draining: %v", err)
		}
		server.Close()
		<-served
	})
	return p
}

// A poller is one connection on which requests are made by hand.
type poller struct {
	*parking
	net.Conn
	in *bufio.Reader
}

func (p *parking) dial() *poller {
	p.Helper()
	c, err := net.Dial("tcp", p.address)
	if err != nil {
		p.Fatal(err)
	}
	p.Cleanup(func() { c.Close() })
	return &poller{p, c, bufio.NewReader(c)}
}

func (p *poller) ask(path string, headers ...string) {
	p.Helper()
	if _, err := fmt.Fprintf(p.Conn, "GET %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", path, strings.Join(append(headers, ""), "\r\n")); err != nil {
		p.Fatal(err)
	}
}

// answer reads the answer to the oldest request that has none.
func (p *poller) answer() *response {
	p.Helper()
	_ = p.SetReadDeadline(time.Now().Add(10 * time.Second))
	resp, err := http.ReadResponse(p.in, nil)
	if err != nil {
		p.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		p.Fatal(err)
	}
	return &response{resp.StatusCode, resp.Header, string(body)}
}

// parked waits until n long polls are parked.
func (p *parking) parked(n int) {
	p.Helper()
	for start := time.Now(); transport.Parked(p.reads) != n; runtime.Gosched() {
		if time.Since(start) > 10*time.Second {
			p.Fatalf("%d long polls are parked, want %d", transport.Parked(p.reads), n)
		}
	}
}

func (p *parking) publish(channel, text string) string {
	p.Helper()
	done, err := p.hub.Publish(p.Context(), pabal.Grant{}, pabal.Channel(channel), pabal.Publish{Messages: []pabal.Message{{Data: []byte(text)}}})
	if err != nil {
		p.Fatal(err)
	}
	return done.End.String()
}

// A parked long poll gets what it waited for, from where it began to wait, and
// its connection serves the next request.
func TestParkedLongPoll(t *testing.T) {
	for _, start := range []string{"", "since=now", "cursor", "since=all&channel"} {
		t.Run(start, func(t *testing.T) {
			p := newParking(t, &setup{})
			first := p.publish("chat", "first")
			query := start
			switch start {
			case "":
				query = "cursor=" + first // all there is has been read
			case "cursor":
				query = "cursor=" + first + "&limit=1"
			case "since=all&channel":
				query = "channel=chat&channel=news&cursor=" + first + "&cursor=" + p.publish("news", "old")
			}
			path := "/channels/chat?via=longpoll&wait=20&" + query
			if strings.Contains(query, "channel=") {
				path = "/channels?via=longpoll&wait=20&" + query
			}
			c := p.dial()
			for round := range 3 {
				c.ask(path, "X-Round: "+fmt.Sprint(round))
				p.parked(1)
				p.publish("chat", fmt.Sprint("round ", round))
				got := c.answer()
				if got.status != 200 || strings.Count(got.body, `"data"`) != 1 || !strings.Contains(got.body, fmt.Sprint("round ", round)) {
					t.Fatalf("got %v, want the one entry of round %d", got, round)
				}
				cursor := got.header.Get("Pabal-Cursor")
				path = strings.Split(path, "&cursor=")[0] + "&cursor=" + cursor
				path = strings.Replace(path, "since=now&", "", 1)
				p.parked(0)
			}
		})
	}
}

// What ends the wait is answered as if it had not been parked.
func TestParkedEnds(t *testing.T) {
	p := newParking(t, &setup{})
	at := p.publish("chat", "first")
	c := p.dial()

	c.ask("/channels/chat?via=longpoll&wait=1&cursor="+at, "Prefer: wait=9")
	p.parked(1)
	if got := c.answer(); got.status != 204 || got.header.Get("Pabal-Cursor") != at {
		t.Errorf("nothing came: got %v, want 204 at %s", got, at)
	}

	c.ask("/channels/chat?via=longpoll&cursor="+at, "Prefer: wait=1", `If-None-Match: "`+at+`"`)
	p.parked(1)
	if got := c.answer(); got.status != 304 || got.header.Get("Preference-Applied") != "wait=1" {
		t.Errorf("nothing came: got %v, want 304", got)
	}

	c.ask("/channels/chat?via=longpoll&wait=20&cursor=" + at)
	p.parked(1)
	if err := p.hub.Delete(t.Context(), pabal.Grant{}, "chat"); err != nil {
		t.Fatal(err)
	}
	if got := c.answer(); got.status != 200 || !strings.Contains(got.body, "$reset") {
		t.Errorf("deleted: got %v, want a $reset", got)
	}
}

// Requests that were sent ahead are answered in order, also those that came
// while the first was parked.
func TestParkedPipeline(t *testing.T) {
	p := newParking(t, &setup{})
	at := p.publish("chat", "first")
	c := p.dial()
	c.ask("/channels/chat?via=longpoll&wait=20&cursor=" + at)
	c.ask("/channels/chat?via=poll&since=all")
	p.parked(1)
	c.ask("/channels/chat?via=poll&since=1")
	p.publish("chat", "second")
	for _, want := range []string{"second", "first", "second"} {
		if got := c.answer(); got.status != 200 || !strings.Contains(got.body, want) {
			t.Fatalf("got %v, want %q", got, want)
		}
	}
}

// A client that leaves takes its place with it, and one that waits when the
// server stops is answered.
func TestParkedLeavesAndDrains(t *testing.T) {
	p := newParking(t, &setup{})
	at := p.publish("chat", "first")
	gone, stays := p.dial(), p.dial()
	gone.ask("/channels/chat?via=longpoll&wait=20&cursor=" + at)
	stays.ask("/channels/chat?via=longpoll&wait=20&cursor=" + at)
	p.parked(2)
	gone.Close()
	p.parked(1)
	if got := p.hub.Stats().Sessions; got != 1 {
		t.Errorf("%d sessions, want 1", got)
	}
	drained := make(chan error, 1)
	go func() { drained <- p.reads.Drain(t.Context()) }()
	if got := stays.answer(); got.status != 204 {
		t.Errorf("draining: got %v, want 204", got)
	}
	if err := <-drained; err != nil {
		t.Error(err)
	}
	if got := p.hub.Stats().Sessions; got != 0 {
		t.Errorf("%d sessions, want none", got)
	}
}
