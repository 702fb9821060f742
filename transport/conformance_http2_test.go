package transport_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pabal/pabal/internal/readers"
	"github.com/pabal/pabal/transport"
)

// Over HTTP/2 a stream that is idle for longer than the write timeout goes on:
// there, a deadline ends a stream also while nothing is written.
func TestIdleStreamOverHTTP2(t *testing.T) {
	for _, protocol := range []string{readers.H2, readers.H2C} {
		s := &setup{reads: transport.Handler{WriteTimeout: 50 * time.Millisecond, Heartbeat: 300 * time.Millisecond}}
		server := newNode(t, s).listen(t)
		client, base := server.Client(protocol, nil)
		defer client.CloseIdleConnections()
		resp, err := client.Do(newRequest(t, t.Context(), "GET", base+"/channels/chat?via=sse", ""))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if resp.ProtoMajor != 2 {
			t.Errorf("%s: got %s", protocol, resp.Proto)
		}
		in := bufio.NewReader(resp.Body)
		for beats := 0; beats < 2; {
			line, err := in.ReadString('\n')
			if err != nil {
				t.Fatalf("%s: after %d heartbeats: %v", protocol, beats, err)
			}
			if line == ":\n" {
				beats++
			}
		}
	}
}

// On one HTTP/2 connection a stream that is not read does not stall another,
// and is closed in the end.
func TestSlowStreamOverHTTP2(t *testing.T) {
	s := &setup{reads: transport.Handler{WriteTimeout: 500 * time.Millisecond}}
	n := newNode(t, s)
	server := n.listen(t)
	client, base := server.Client(readers.H2, nil)
	defer client.CloseIdleConnections()
	slow, err := client.Do(newRequest(t, t.Context(), "GET", base+"/channels/chat?via=stream", ""))
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Body.Close()
	b := newBook(server)
	big := readers.Item{Data: []byte(strings.Repeat("x", 500_000))}
	const entries = 12 // more than the window of a stream, 4 MiB, and what lies on the way
	go func() {
		for range entries {
			if _, err := b.post(t.Context(), client, base, "chat", []readers.Item{big}); err != nil {
				t.Error(err)
			}
		}
	}()
	got := 0
	for it, err := range readers.Stream(t.Context(), &readers.Target{URL: base, Client: client, Channels: []string{"chat"}}) {
		if err != nil {
			t.Fatalf("after %d entries: %v", got, err)
		}
		if it.Notice == "" {
			got++
		}
		if got == entries {
			break
		}
	}
	for n.hub.Readers("chat") > 0 { // the write timeout ends it
		select {
		case <-t.Context().Done():
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
	text, err := io.ReadAll(slow.Body)
	if err == nil || strings.Count(string(text), "\n") > entries {
		t.Errorf("the slow stream: %d bytes, ended with %v", len(text), err)
	}
}

// Newcomers while the server drains are refused, all that came before end.
func TestDrainAmongNewcomers(t *testing.T) { pumps(t, &setup{}, drainAmongNewcomers) }

func drainAmongNewcomers(t *testing.T, by *setup) {
	n := newNode(t, by)
	server := n.listen(t)
	var all sync.WaitGroup
	begun := make(chan struct{}, 8)
	for i := range 8 {
		all.Go(func() {
			protocol := []string{readers.H1, readers.H2C}[i%2]
			client, base := server.Client(protocol, nil)
			defer client.CloseIdleConnections()
			for first := true; ; first = false {
				resp, err := client.Do(newRequest(t, t.Context(), "GET", fmt.Sprintf("%s/channels/chat?via=%s", base, streams[i%len(streams)]), ""))
				if err != nil {
					t.Error(err)
					return
				}
				if first {
					begun <- struct{}{}
				}
				body, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if err != nil {
					t.Errorf("a response broke off: %v", err)
					return
				}
				if resp.StatusCode == http.StatusServiceUnavailable || !strings.Contains(string(body), "$open") { // sse and iframe are told so with 200
					return
				}
			}
		})
	}
	for range 8 {
		<-begun
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := n.reads.Drain(ctx); err != nil {
		t.Error(err)
	}
	all.Wait()
}
