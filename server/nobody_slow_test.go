package server

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pabal/pabal/internal/netsim"
	"github.com/pabal/pabal/internal/readers"
)

// Who sends slowly, or nothing, is waited for only so long, and nobody else
// waits.
func TestSlowClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig()
		cfg.Delivery.Pump = "goroutine" // a loop waits outside of a bubble
		node, err := New(cfg, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		w := &slowWorld{network: netsim.New(1), address: "192.0.2.1:80"}
		l, err := w.network.Listen(w.address)
		if err != nil {
			t.Fatal(err)
		}
		var serving sync.WaitGroup
		serving.Go(func() {
			if err := node.serve(l); err != nil {
				t.Error(err)
			}
		})
		leave := w.readAlong(t)
		w.slow(t)
		leave()
		node.drain()
		serving.Wait()
		if err := node.close(); err != nil {
			t.Error(err)
		}
	})
}

type slowWorld struct {
	network *netsim.Network
	address string
}

// slow has all slow clients come at once.
func (w *slowWorld) slow(t *testing.T) {
	host := "Host: " + w.address + "\r\n"
	var all sync.WaitGroup
	for _, c := range []struct {
		what, begin string
		drip        byte // once a second; 0: nothing
		most        time.Duration
		says        string
	}{
		{"nothing", "", 0, headTimeout, ""},
		{"a slow head", "GET /channels/chat HTTP/1.1\r\n" + host + "X: ", 'x', headTimeout, ""},
		{"a slow line", "GET /channels/", 'x', headTimeout, ""},
		{"a head without an end", "GET /channels/chat HTTP/1.1\r\n" + host, 0, headTimeout, ""},
		{"a slow second head", "GET /health HTTP/1.1\r\n" + host + "\r\nGET /channels/", 'x', headTimeout, "200 OK"},
		{"nothing after an answer", "GET /health HTTP/1.1\r\n" + host + "\r\n", 0, idleTimeout, "200 OK"},
		{"a slow body", "POST /channels/chat HTTP/1.1\r\n" + host + "Content-Length: 1000\r\n\r\n", 'x', bodyTimeout, "the body broke off: nothing was published"},
		{"a body that does not come", "POST /channels/chat HTTP/1.1\r\n" + host + "Content-Length: 1000\r\n\r\n", 0, bodyTimeout, "the body broke off: nothing was published"},
		{"slow chunks", "POST /channels/chat HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n1000\r\n", 'x', bodyTimeout, "the body broke off: nothing was published"},
		{"slow commands", "POST /commands HTTP/1.1\r\n" + host + "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n", ' ', bodyTimeout, "the body broke off: nothing was done"},
		{"a slow body where none belongs", "DELETE /channels/chat HTTP/1.1\r\n" + host + "Content-Length: 1000\r\n\r\n", 'x', bodyTimeout, "DELETE has no body here"},
		{"a slow body to nowhere", "POST /nowhere HTTP/1.1\r\n" + host + "Content-Length: 1000\r\n\r\n", 'x', bodyTimeout, "404"},
		{"HTTP/2, and no settings", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 0, idleTimeout, ""},
		{"half of how HTTP/2 begins", "PRI * HTTP/2.0\r\n\r\n", 0, headTimeout, ""},
	} {
		all.Go(func() {
			took, got := w.drips(t, c.begin, c.drip)
			if took > c.most+time.Second || !strings.Contains(got, c.says) || strings.Count(got, "HTTP/1.1 200") > 1 {
				t.Errorf("%s: got %q after %v, want the end within %v, and %q", c.what, got, took, c.most, c.says)
			}
		})
	}
	all.Wait()
}

// drips sends begin, then drip each second, and returns when the connection was
// closed, and what was answered.
func (w *slowWorld) drips(t *testing.T, begin string, drip byte) (took time.Duration, answer string) {
	begun := time.Now()
	conn, err := w.network.Host("slow", netsim.Link{}).DialContext(t.Context(), "tcp", w.address)
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	_ = conn.SetReadDeadline(begun.Add(time.Hour))
	ctx, stop := context.WithCancel(t.Context())
	var dripping sync.WaitGroup
	dripping.Go(func() {
		ticker := time.NewTicker(time.Second)
		defer ticker.Stop()
		_, err := io.WriteString(conn, begin)
		for err == nil && ctx.Err() == nil {
			select {
			case <-ticker.C:
				if drip != 0 {
					_, err = conn.Write([]byte{drip})
				}
			case <-ctx.Done():
			}
		}
	})
	text, _ := io.ReadAll(conn) // up to the end, of whatever kind it is
	took = time.Since(begun)
	stop()
	_ = conn.Close()
	dripping.Wait()
	return took, string(text)
}

// readAlong has one publish and one read until leave is called, which tells
// what they noticed.
func (w *slowWorld) readAlong(t *testing.T) (leave func()) {
	host := w.network.Host("reader", netsim.Link{})
	c := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return host.DialContext(ctx, network, w.address)
	}}}
	url, stop := "http://"+w.address, make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		n := 0
		for it, err := range readers.SSE(t.Context(), &readers.Target{URL: url, Client: c, Channels: []string{calm}}) {
			switch {
			case err != nil:
				t.Errorf("after %d entries: %v", n, err)
				return
			case it.Notice == "$closed":
				return
			case it.Notice == "" && string(it.Data) != fmt.Sprint(n):
				t.Errorf("got %q, want %d", it.Data, n)
				return
			case it.Notice == "":
				n++
			}
		}
	})
	running.Go(func() {
		ticker := time.NewTicker(100 * time.Millisecond)
		defer ticker.Stop()
		for n, query := 0, ""; query == ""; n++ {
			select {
			case <-ticker.C:
			case <-stop:
				query = "?close"
			}
			begun := time.Now()
			res, err := c.Post(url+"/channels/"+calm+query, "text/plain", strings.NewReader(fmt.Sprint(n)))
			if err != nil {
				t.Errorf("publishing: %v", err)
				return
			}
			_ = res.Body.Close()
			if took := time.Since(begun); res.StatusCode != http.StatusOK || took > time.Second {
				t.Errorf("publish %d: got %s after %v", n, res.Status, took)
			}
		}
	})
	return func() {
		close(stop)
		running.Wait()
		c.CloseIdleConnections()
	}
}
