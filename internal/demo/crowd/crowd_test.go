package crowd

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/broker/memory"
	"github.com/pabal/pabal/transport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const channel pabal.Channel = "demo/match"

// A world is a real server of channels, and a crowd that reads it.
type world struct {
	t         *testing.T
	hub       *pabal.Hub
	reads     *transport.Handler
	target    Target
	crowd     *Crowd
	published int
}

func newWorld(t *testing.T) *world {
	kept := memory.New(memory.Config{})
	t.Cleanup(func() { _ = kept.Close() })
	w := &world{t: t, hub: pabal.NewHub(kept, pabal.Limits{}), crowd: New(channel)}
	t.Cleanup(w.hub.Close)
	w.reads = &transport.Handler{Hub: w.hub}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: w.reads, ConnContext: transport.ConnContext}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(transport.NewListener(l)) })
	t.Cleanup(func() {
		w.drain()
		_ = server.Close()
		serving.Wait()
	})
	w.target = Target{Address: l.Addr().String()}
	t.Cleanup(w.crowd.Close)
	return w
}

func (w *world) drain() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := w.reads.Drain(ctx); err != nil {
		w.t.Errorf("not all have left: %v", err)
	}
}

func (w *world) set(via string, n int) {
	w.t.Helper()
	if err := w.crowd.Set(w.target, via, n); err != nil {
		w.t.Fatal(err)
	}
}

// play publishes the next play.
func (w *world) play() {
	w.t.Helper()
	w.published++
	w.publish(fmt.Sprintf(`{"match":"m","seq":%d,"text":%q}`, w.published, strings.Repeat("파발", rand.IntN(400))))
}

func (w *world) publish(data string) {
	w.t.Helper()
	m := pabal.Message{ContentType: "application/json", Data: []byte(data)}
	if _, err := w.hub.Publish(w.t.Context(), pabal.Grant{}, channel, pabal.Publish{Messages: []pabal.Message{m}}); err != nil {
		w.t.Fatal(err)
	}
}

// until waits until the status is as expected.
func (w *world) until(what string, holds func(Status) bool) Status {
	w.t.Helper()
	return until(w.t, w.crowd, what, holds)
}

func until(t *testing.T, c *Crowd, what string, holds func(Status) bool) Status {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(30 * time.Second)
	for {
		now := c.Status()
		if holds(now) {
			return now
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not within 30 s: %s; at the end %+v", what, now)
		}
	}
}

// Two hundred viewers, by each technique, read all there is: as much as comes
// at once, and what is no play.
func TestAllRead(t *testing.T) {
	const viewers, plays = 200, 40
	for via := range ways {
		t.Run(via, func(t *testing.T) {
			w := newWorld(t)
			begun := time.Now()
			w.set(via, viewers)
			w.until("all are there", func(s Status) bool { return s.Viewers == viewers && w.hub.Readers(channel) == viewers })
			if took := time.Since(begun); took < (viewers-1)*pace {
				t.Errorf("%d viewers came within %v, want 500 a second at most", viewers, took)
			}
			for i := range plays {
				w.play()
				if i%8 == 0 {
					w.publish(`"something else"`)
				}
				if i%4 == 0 {
					total := int64(viewers * (w.published + i/8 + 1))
					w.until("all have read", func(s Status) bool { return s.Read >= total })
				}
			}
			total := int64(viewers * (plays + plays/8))
			now := w.until("all have read all", func(s Status) bool { return s.Read >= total })
			if now.Read != total || now.Lost != 0 || now.Repeated != 0 || now.Trouble != "" || now.Wanted != viewers || now.Via != via {
				t.Errorf("got %+v, want %d read", now, total)
			}
			if now.Lag == nil || now.Lag.P50 <= 0 || now.Lag.P50 > now.Lag.P90 || now.Lag.P90 > now.Lag.P99 || now.Lag.P99 > now.Lag.Max || now.Lag.Max > 20_000 {
				t.Errorf("the lag is %+v", now.Lag)
			}
			w.crowd.Close()
			w.until("all have left", func(s Status) bool { return s.Viewers == 0 })
			if err := w.crowd.Set(w.target, via, 1); err == nil {
				t.Error("somebody came after the end")
			}
		})
	}
}

// Fewer, more, none, another technique: there are as many as are wanted.
func TestSet(t *testing.T) {
	w := newWorld(t)
	for _, step := range []struct {
		via string
		n   int
	}{{"sse", 50}, {"sse", 20}, {"sse", 60}, {"websocket", 30}, {"longpoll", 30}, {"longpoll", 0}, {"stream", 10}} {
		w.set(step.via, step.n)
		w.until(fmt.Sprintf("%d by %s", step.n, step.via), func(s Status) bool {
			return s.Viewers == step.n && s.Wanted == step.n && s.Via == step.via
		})
		before := w.crowd.Status().Read
		w.play()
		w.until("all have read", func(s Status) bool { return s.Read >= before+int64(step.n) })
	}
	w.crowd.Clear()
	now := w.until("nobody is there", func(s Status) bool { return s.Viewers == 0 })
	if now.Wanted != 0 || now.Lost != 0 || now.Repeated != 0 {
		t.Errorf("got %+v", now)
	}
	for via, n := range map[string]int{"jsonp": 1, "sse": Most + 1, "stream": -1} {
		if err := w.crowd.Set(w.target, via, n); err == nil {
			t.Errorf("%d by %s: want an error", n, via)
		}
	}
}

// Whose connection breaks goes on at its place, and has lost nothing.
func TestGoesOn(t *testing.T) {
	for via := range ways {
		t.Run(via, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			link := newLink(t, w.target.Address)
			w.target.Address = link.address
			w.set(via, 20)
			w.until("all are there", func(s Status) bool { return s.Viewers == 20 && w.hub.Readers(channel) == 20 })
			w.play()
			w.until("all have read", func(s Status) bool { return s.Read == 20 })
			link.cut()
			for range 5 {
				w.play()
			}
			now := w.until("all are back, and have read all", func(s Status) bool { return s.Read >= 120 && s.Viewers == 20 })
			if now.Read != 120 || now.Lost != 0 || now.Repeated != 0 {
				t.Errorf("got %+v, want each of 6 plays once", now)
			}
		})
	}
}

// A link passes on what comes, until it is cut.
type link struct {
	address string
	mu      sync.Mutex
	conns   []net.Conn
}

func newLink(t *testing.T, to string) *link {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	k := &link{address: l.Addr().String()}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				_ = in.Close()
				continue
			}
			k.mu.Lock()
			k.conns = append(k.conns, in, out)
			k.mu.Unlock()
			for _, pair := range [][2]net.Conn{{in, out}, {out, in}} {
				all.Go(func() {
					defer pair[0].Close()
					buffer := make([]byte, 4096)
					for {
						n, err := pair[1].Read(buffer)
						if n > 0 {
							_, _ = pair[0].Write(buffer[:n])
						}
						if err != nil {
							return
						}
					}
				})
			}
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		k.cut()
		all.Wait()
	})
	return k
}

func (k *link) cut() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, c := range k.conns {
		_ = c.Close()
	}
	k.conns = nil
}

// What is lost or repeated is counted: the viewers would notice.
func TestNotices(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("cursor") { // it came again
			<-r.Context().Done()
			return
		}
		for _, e := range [][2]int{{1, 1}, {2, 2}, {5, 5}, {5, 5}, {3, 3}, {6, 6}, {8, 8}} { // 3, 4 and 7 are lost; 5 comes twice, 3 too late
			_, _ = fmt.Fprintf(w, "id: e-%d\ndata: {\"channel\":\"demo/match\",\"cursor\":\"e-%d\",\"time\":%q,\"data\":{\"match\":\"m\",\"seq\":%d}}\n\n",
				e[0], e[0], time.Now().Add(-time.Second).Format(time.RFC3339Nano), e[1])
		}
	}))
	defer server.Close()
	c := New(channel)
	defer c.Close()
	if err := c.Set(Target{Address: server.Listener.Addr().String()}, "sse", 1); err != nil {
		t.Fatal(err)
	}
	now := until(t, c, "it has read", func(s Status) bool { return s.Read == 5 })
	if now.Lost != 3 || now.Repeated != 2 {
		t.Errorf("%d lost, %d repeated, want 3 and 2", now.Lost, now.Repeated)
	}
	if now.Lag == nil || now.Lag.P50 < 1000 || now.Lag.Max > 20_000 {
		t.Errorf("the lag is %+v, want a second and more", now.Lag)
	}
}

// A viewer that is refused says why, and comes again.
func TestTrouble(t *testing.T) {
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		http.Error(w, "the house is full", http.StatusServiceUnavailable)
	}))
	defer server.Close()
	var all []*Crowd
	for via := range ways {
		c := New(channel)
		defer c.Close()
		all = append(all, c)
		if err := c.Set(Target{Address: server.Listener.Addr().String()}, via, 1); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range all {
		now := until(t, c, "it says why", func(s Status) bool { return s.Trouble != "" })
		if !strings.Contains(now.Trouble, "503 Service Unavailable: the house is full") {
			t.Errorf("%s: it says %q", now.Via, now.Trouble)
		}
	}
	until(t, all[0], "all come again", func(Status) bool { return asked.Load() >= int32(2*len(all)) })
}

// The steps of a lag are fine enough, and its seconds pass.
func TestLag(t *testing.T) {
	for lag := time.Duration(0); lag < 24*time.Hour; lag = lag*5/4 + 300 {
		upper := upTo(step(lag))
		if upper < lag.Truncate(time.Microsecond) || upper > lag*104/100+2*time.Microsecond {
			t.Fatalf("a lag of %v is taken for %v at most", lag, upper)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		var l lags
		if l.over(time.Now()) != nil {
			t.Error("a lag of nothing")
		}
		for i := range 1000 {
			l.add(time.Now(), time.Duration(i+1)*time.Millisecond)
		}
		got := l.over(time.Now())
		for _, c := range []struct{ got, want float64 }{{got.P50, 500}, {got.P90, 900}, {got.P99, 990}, {got.Max, 1000}} {
			if c.got < c.want || c.got > c.want*1.04 {
				t.Errorf("got %+v, want %v", got, c.want)
			}
		}
		time.Sleep(seconds * time.Second)
		l.add(time.Now(), -time.Second) // a clock was set
		if got := l.over(time.Now()); *got != (Lag{}) {
			t.Errorf("got %+v, want only what was of late", got)
		}
	})
}
