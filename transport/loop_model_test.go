package transport

import (
	"bytes"
	"context"
	"fmt"
	"hash/maphash"
	"log/slog"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/broker/memory"
)

// A model is one loop over modelled sockets, all of whose turns the test
// takes. It is for a bubble of testing/synctest, and for one goroutine: what
// the loop hands to workers is done when the test wants it.
type model struct {
	h       *Handler
	l       *loop
	broker  *modelBroker
	poller  *modelPoller
	random  *rand.Rand
	jobs    []func()
	readers []*modelReader
	failed  []string // what is wrong

	panics   int  // that are expected
	draining bool // all are sent away
	rested   bool // those who read now and then have had time
	turns    int
	blind    bool // what the loop knows is not checked: there is too much of it
}

// A modelBroker notes what is appended.
type modelBroker struct {
	*memory.Broker
	mu   sync.Mutex
	logs map[pabal.Channel]*modelLog
	said map[string]int // messages by the name of who published them over a WebSocket
	fail error          // of each read
}

func (b *modelBroker) Append(ctx context.Context, ch pabal.Channel, p pabal.Publish) (pabal.Appended, error) {
	done, err := b.Broker.Append(ctx, ch, p)
	if err != nil {
		return done, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	log := b.log(ch)
	for i, at := range done.Positions {
		log.offsets = append(log.offsets, int(at.Offset))
		log.data = append(log.data, p.Messages[i].Data)
		log.byData[string(p.Messages[i].Data)] = int(at.Offset)
		if name, _, ok := strings.Cut(string(p.Messages[i].Data), "#"); ok {
			b.said[name]++
		}
	}
	log.closed = log.closed || p.Close
	return done, nil
}

func (b *modelBroker) Read(ctx context.Context, ch pabal.Channel, q pabal.Query) (pabal.Page, error) {
	b.mu.Lock()
	err := b.fail
	b.mu.Unlock()
	if err != nil {
		return pabal.Page{}, err
	}
	return b.Broker.Read(ctx, ch, q)
}

func (b *modelBroker) log(ch pabal.Channel) *modelLog {
	if b.logs[ch] == nil {
		b.logs[ch] = &modelLog{byData: map[string]int{}}
	}
	return b.logs[ch]
}

// A modelSetup is what a test changes of a model.
type modelSetup struct {
	limits  pabal.Limits
	keep    pabal.Retention
	handler Handler
	seed    uint64
}

func newModel(s *modelSetup) *model {
	m := &model{h: &s.handler, random: rand.New(rand.NewPCG(s.seed, 0))}
	m.broker = &modelBroker{logs: map[pabal.Channel]*modelLog{}, said: map[string]int{}}
	m.broker.Broker = memory.New(memory.Config{Retention: func(pabal.Channel) pabal.Retention { return s.keep }})
	s.limits.SessionsPerAddress = s.limits.WithDefaults().Sessions
	m.h.Hub = pabal.NewHub(m.broker, s.limits)
	m.h.Log = slog.New(slog.NewTextHandler(modelLogger{m}, nil))
	m.h.init()
	m.poller = newModelPoller(m.wrong)
	m.l = newLoop(m.h, m.poller, func(f func()) { m.jobs = append(m.jobs, f) })
	m.h.loops.running, m.h.loops.reserved, m.h.loops.seed = []*loop{m.l}, []int{0}, maphash.MakeSeed()
	m.h.loops.system = system{take: func(c net.Conn, _ int) (socket, error) { return c.(*modelConn).sock, nil }}
	return m
}

// close ends m, all of whose connections are gone.
func (m *model) close() {
	m.h.Hub.Close()
	if err := m.broker.Close(); err != nil {
		m.wrong("%v", err)
	}
}

func (m *model) wrong(format string, args ...any) {
	m.failed = append(m.failed, fmt.Sprintf(format, args...))
}

// modelLogger fails a model at each error that is logged.
type modelLogger struct{ *model }

func (l modelLogger) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte("level=ERROR")) {
		if l.panics--; l.panics < 0 {
			l.wrong("the server says: %s", p)
		}
	}
	return len(p), nil
}

// turn takes one turn of the loop. It reports whether that would have slept.
func (m *model) turn() (slept bool) {
	events := len(m.poller.pending) + len(m.poller.stale)
	m.l.turn()
	m.turns++
	if m.blind {
		return m.poller.asked != 0 && events == 0
	}
	if wrong := m.l.inconsistent(); wrong != nil {
		m.wrong("after a turn: %s", strings.Join(wrong, "; "))
	}
	return m.poller.asked != 0 && events == 0
}

// job does the i-th of the jobs that wait for a worker.
func (m *model) job(i int) {
	f := m.jobs[i]
	m.jobs = slices.Delete(m.jobs, i, i+1)
	f()
}

// settle has all happen that needs no time to pass.
func (m *model) settle() {
	m.poller.hold = nil
	for range 20_000 {
		synctest.Wait()
		for len(m.jobs) > 0 {
			m.job(0)
		}
		if slept := m.turn(); slept && len(m.jobs) == 0 || len(m.failed) > 0 {
			if m.answerPings(); len(m.poller.pending) == 0 || len(m.failed) > 0 {
				return
			}
		}
	}
	m.wrong("the loop does not come to rest; queue %d, asked %v", len(m.l.queue), m.poller.asked)
}

// pass lets d pass, and all that follows from it happen.
func (m *model) pass(d time.Duration) {
	for end := time.Now().Add(d); len(m.failed) == 0; {
		m.settle()
		left := time.Until(end)
		if left <= 0 {
			return
		}
		if asked := m.poller.asked; asked > 0 {
			left = min(left, max(asked, time.Millisecond))
		}
		time.Sleep(left)
		synctest.Wait()
	}
}

// publish publishes each of texts to ch.
func (m *model) publish(ch string, texts ...string) {
	p := pabal.Publish{}
	for i, text := range texts {
		p.Messages = append(p.Messages, pabal.Message{Data: []byte(text), Key: string(rune('a' + i%3))})
	}
	if _, err := m.h.Hub.Publish(context.Background(), pabal.Grant{}, pabal.Channel(ch), p); err != nil && !m.broker.log(pabal.Channel(ch)).closed {
		m.wrong("publish: %v", err)
	}
}

// closeChannel closes ch.
func (m *model) closeChannel(ch string) {
	_, _ = m.h.Hub.Publish(context.Background(), pabal.Grant{}, pabal.Channel(ch), pabal.Publish{Close: true})
}

func (m *model) remove(ch string) {
	_ = m.h.Hub.Delete(context.Background(), pabal.Grant{}, pabal.Channel(ch))
	log := m.broker.log(pabal.Channel(ch))
	log.closed, log.removed = false, true
}

func (m *model) drain() {
	m.draining = true
	m.h.drain(errDraining)
	m.h.loops.drain()
}

// empty checks that nothing is left of any connection.
func (m *model) empty() {
	l := m.l
	if n := m.h.Hub.Stats().Sessions; n != 0 {
		m.wrong("%d sessions are left", n)
	}
	if l.seats.count+l.wheel.count+len(l.crowds)+l.lent+len(l.mixed.alone)+len(l.mixed.pending) > 0 || m.h.open.n != 0 || m.h.loops.reserved[0] != 0 {
		m.wrong("left: %d seats, %d in the wheel, %d crowds, %d lent, %d open, %d reserved", l.seats.count, l.wheel.count, len(l.crowds), l.lent, m.h.open.n, m.h.loops.reserved[0])
	}
	if used := m.h.unfinished.used.Load(); used != 0 {
		m.wrong("%d bytes of unfinished messages are left", used)
	}
}

// modelled runs f over a model, in a bubble.
func modelled(t *testing.T, s *modelSetup, f func(m *model)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		m := newModel(s)
		defer m.close()
		f(m)
		for _, text := range m.failed {
			t.Error(text)
		}
	})
}
