package client_test

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/api"
	"github.com/pabal/pabal/broker/memory"
	"github.com/pabal/pabal/client"
	"github.com/pabal/pabal/transport"
)

// node returns the handler of a real node, as package server wires it.
func node(t *testing.T) http.Handler {
	broker := memory.New(memory.Config{})
	hub := pabal.NewHub(broker, pabal.Limits{})
	reads := &transport.Handler{Hub: hub, Log: slog.New(slog.DiscardHandler), Heartbeat: 5 * time.Second, RotateAfter: time.Minute}
	t.Cleanup(func() {
		hub.Close()
		_ = broker.Close()
	})
	writes := &api.Handler{Hub: hub, Log: reads.Log}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			reads.ServeHTTP(w, r)
		} else {
			writes.ServeHTTP(w, r)
		}
	})
}

// Publishers and readers whose connections break at any byte agree on the log.
func TestTheRealServerThroughBreaks(t *testing.T) {
	for _, via := range client.Techniques() {
		for seed := range uint64(3) {
			t.Run(via+"/"+strconv.FormatUint(seed, 10), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { throughBreaks(t, via, seed) })
			})
		}
	}
}

func throughBreaks(t *testing.T, via string, seed uint64) {
	handler := node(t)
	c := serve(t, handler, cuts(seed))
	steady := serve(t, handler, nil)
	channels := []pabal.Channel{"a", "b/c"}
	published := map[pabal.Channel][]string{}
	var mu sync.Mutex
	var publishers sync.WaitGroup
	for _, ch := range channels {
		publishers.Go(func() {
			for i := range 60 {
				var batch []pabal.Message
				for j := range 1 + i%3 {
					batch = append(batch, pabal.Message{Type: "n", Data: strconv.AppendInt(nil, int64(10*i+j), 10)})
				}
				receipt, err := c.Publish(t.Context(), ch, batch...)
				if err != nil || receipt.Cursor == "" {
					t.Errorf("publish: got %+v, %v", receipt, err)
				}
				mu.Lock()
				for _, m := range batch {
					published[ch] = append(published[ch], string(m.Data))
				}
				mu.Unlock()
				pause(time.Duration(i*i%700) * time.Millisecond)
			}
			if _, err := steady.CloseChannel(t.Context(), ch); err != nil {
				t.Errorf("close: %v", err)
			}
		})
	}
	sub := c.Subscribe(client.Options{Channels: channels, Via: via, Since: "all"})
	got, _ := readAll(t, sub)
	publishers.Wait()
	for _, ch := range channels {
		if !slices.Equal(got[ch], published[ch]) {
			t.Errorf("%s:\n got %v\nwant %v", ch, got[ch], published[ch])
		}
	}
}

// Delete breaks the history, and who reads from before is told.
func TestTheRealServerDeletes(t *testing.T) {
	each(t, func(t *testing.T, via string) {
		c := serve(t, node(t), nil)
		first, err := c.Publish(t.Context(), "a", pabal.Message{Data: []byte("1")})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.DeleteChannel(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		if _, err := c.CloseChannel(t.Context(), "a", pabal.Message{Data: []byte("2")}); err != nil {
			t.Fatal(err)
		}
		var got []string
		o := client.Options{Channels: []pabal.Channel{"a"}, Via: via, Cursors: map[pabal.Channel]string{"a": first.Cursor}}
		for event, err := range c.Subscribe(o).Events(t.Context()) {
			switch {
			case err != nil:
				t.Fatal(err)
			case event.Entry != nil:
				got = append(got, string(event.Entry.Data))
			case event.Notice.Kind != pabal.NoticeOpen && event.Notice.Kind != pabal.NoticeLive:
				got = append(got, string(event.Notice.Kind))
			}
		}
		if want := []string{"$reset", "2", "$closed"}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

// The same message is the same entry by every technique.
func TestTheRealServerOnEveryTechnique(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := serve(t, node(t), nil)
		messages := []pabal.Message{
			{Data: []byte("plain")},
			{ID: "i d", Type: "été", Key: "k%", ContentType: "text/html", Data: []byte("a\r\nb\n")},
			{ContentType: "application/json", Data: []byte(`{"a":[1,2]}`)},
			{ContentType: "image/png", Data: []byte{0, 255, '\n'}},
			{ContentType: "application/x-ndjson", Data: []byte("{}\n{}\n")},
			{ContentType: "application/x-www-form-urlencoded", Data: []byte("a=b")},
			{Key: "empty"},
		}
		for _, m := range messages {
			if _, err := c.Publish(t.Context(), "a", m); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := c.CloseChannel(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		for _, via := range client.Techniques() {
			i := 0
			for event, err := range c.Subscribe(client.Options{Channels: []pabal.Channel{"a"}, Via: via, Since: "all"}).Events(t.Context()) {
				if err != nil {
					t.Fatal(err)
				}
				if event.Entry == nil {
					continue
				}
				if got, want := event.Entry.Message, messages[i]; got.ID != want.ID || got.Digest() != want.Digest() {
					t.Errorf("%s: got %+v, want %+v", via, got, want)
				}
				i++
			}
			if i != len(messages) {
				t.Errorf("%s: got %d entries, want %d", via, i, len(messages))
			}
		}
	})
}

// A subscription that its server drains goes on at another.
func TestTheRealServerDrains(t *testing.T) {
	each(t, func(t *testing.T, via string) {
		broker := memory.New(memory.Config{})
		hub := pabal.NewHub(broker, pabal.Limits{})
		defer func() {
			hub.Close()
			_ = broker.Close()
		}()
		log := slog.New(slog.DiscardHandler)
		old, young := &transport.Handler{Hub: hub, Log: log}, &transport.Handler{Hub: hub, Log: log}
		writes := &api.Handler{Hub: hub, Log: log}
		var mu sync.Mutex
		reads := old
		c := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			reads := reads
			mu.Unlock()
			if r.Method == http.MethodGet {
				reads.ServeHTTP(w, r)
			} else {
				writes.ServeHTTP(w, r)
			}
		}), nil)
		var publisher sync.WaitGroup
		publisher.Go(func() {
			for i := range 20 {
				if i == 10 {
					ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
					if err := old.Drain(ctx); err != nil {
						t.Errorf("drain: %v", err)
					}
					cancel()
					pause(10 * time.Second) // meanwhile it refuses
					mu.Lock()
					reads = young
					mu.Unlock()
				}
				if _, err := c.Publish(t.Context(), "a", pabal.Message{Data: strconv.AppendInt(nil, int64(i), 10)}); err != nil {
					t.Errorf("publish: %v", err)
				}
				pause(time.Second)
			}
			if _, err := c.CloseChannel(t.Context(), "a"); err != nil {
				t.Errorf("close: %v", err)
			}
		})
		got, _ := readAll(t, c.Subscribe(client.Options{Channels: []pabal.Channel{"a"}, Via: via, Since: "all"}))
		publisher.Wait()
		if want := numbers(0, 19); !slices.Equal(got["a"], want) {
			t.Errorf("got %v, want %v", got["a"], want)
		}
	})
}
