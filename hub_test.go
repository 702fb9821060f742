package pabal_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/broker/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A hooked broker does what its hooks say, where it has them, and is not
// lossless.
type hooked struct {
	pabal.Broker
	tail func(ctx context.Context, ch pabal.Channel, fn func(*pabal.Entry)) (pabal.Position, error)
	read func(ctx context.Context, ch pabal.Channel, q pabal.Query) (pabal.Page, error)
}

func (h *hooked) Tail(ctx context.Context, ch pabal.Channel, fn func(*pabal.Entry)) (pabal.Position, error) {
	if h.tail != nil {
		return h.tail(ctx, ch, fn)
	}
	return h.Broker.Tail(ctx, ch, fn)
}

func (h *hooked) Read(ctx context.Context, ch pabal.Channel, q pabal.Query) (pabal.Page, error) {
	if h.read != nil {
		return h.read(ctx, ch, q)
	}
	return h.Broker.Read(ctx, ch, q)
}

func newMemory(t testing.TB, keep pabal.Retention) *memory.Broker {
	b := memory.New(memory.Config{Retention: func(pabal.Channel) pabal.Retention { return keep }})
	t.Cleanup(func() { _ = b.Close() })
	return b
}

func newHub(t testing.TB, b pabal.Broker, l pabal.Limits) *pabal.Hub {
	h := pabal.NewHub(b, l)
	t.Cleanup(h.Close)
	return h
}

// publish publishes one message for each of data, in a batch. "key=…" has a key.
func publish(t testing.TB, h *pabal.Hub, ch pabal.Channel, data ...string) pabal.Appended {
	t.Helper()
	var p pabal.Publish
	for _, d := range data {
		key, _, _ := strings.Cut(d, "=")
		if key == d {
			key = ""
		}
		p.Messages = append(p.Messages, pabal.Message{Key: key, Data: []byte(d)})
	}
	done, err := h.Publish(t.Context(), pabal.Grant{}, ch, p)
	if err != nil {
		t.Fatal(err)
	}
	return done
}

func closeChannel(t testing.TB, h *pabal.Hub, ch pabal.Channel) {
	t.Helper()
	if _, err := h.Publish(t.Context(), pabal.Grant{}, ch, pabal.Publish{Close: true}); err != nil {
		t.Fatal(err)
	}
}

func deleteChannel(t testing.TB, h *pabal.Hub) {
	t.Helper()
	if err := h.Delete(t.Context(), pabal.Grant{}, "a"); err != nil {
		t.Fatal(err)
	}
}

// show writes item down in a word or two.
func show(item pabal.Item) string {
	n := item.Notice
	switch {
	case n == nil:
		return string(item.Entry.Data)
	case n.Kind == pabal.NoticeGap || n.Kind == pabal.NoticeReset:
		return fmt.Sprintf("%s %s %d-%d", n.Kind, n.Reason, n.From.Offset, n.To.Offset)
	case n.Kind == pabal.NoticeSkipped:
		return fmt.Sprint(n.Kind, " ", n.Count)
	}
	return string(n.Kind)
}

func place(item pabal.Item) pabal.Position {
	if item.Notice != nil {
		return item.Notice.Cursor
	}
	return item.Entry.Position()
}

// A reader drives one session that waits for its own signal.
type reader struct {
	*pabal.Session
	t      testing.TB
	signal pabal.Signal
	batch  pabal.Batch
}

func newReader(t testing.TB, h *pabal.Hub, o pabal.Options, ch pabal.Channel, from pabal.From) *reader {
	t.Helper()
	r := &reader{t: t, signal: pabal.NewSignal()}
	var err error
	if r.Session, err = h.Open(pabal.Grant{}, r.signal, o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	if err := r.Subscribe(ch, from); err != nil {
		t.Fatal(err)
	}
	return r
}

// run steps until the session waits or is done, and returns what came.
func (r *reader) run() (got []string, state pabal.State) {
	r.t.Helper()
	for {
		state = r.Step(&r.batch, 7)
		for _, item := range r.batch.Items {
			got = append(got, show(item))
		}
		switch state {
		case pabal.Behind:
			if err := r.CatchUp(r.t.Context()); err != nil {
				r.t.Fatal(err)
			}
		case pabal.Caught, pabal.Done:
			return got, state
		}
	}
}

// now checks that what is there at once is want.
func (r *reader) now(want ...string) {
	r.t.Helper()
	if got, _ := r.run(); !slices.Equal(got, want) {
		r.t.Errorf("at once: got %q, want %q", got, want)
	}
}

// next waits until as much came as is wanted, and checks it.
func (r *reader) next(want ...string) {
	r.t.Helper()
	var all []string
	for {
		got, state := r.run()
		all = append(all, got...)
		if n := min(len(all), len(want)); n == len(want) || state == pabal.Done || !slices.Equal(all, want[:n]) {
			break
		}
		<-r.signal
	}
	if !slices.Equal(all, want) {
		r.t.Errorf("next: got %q, want %q", all, want)
	}
}

// At a limit the newcomer is told which, and nothing changes for others.
func TestSessionLimits(t *testing.T) {
	h := newHub(t, newMemory(t, pabal.Retention{}), pabal.Limits{Sessions: 3, SessionsPerAddress: 2, Channels: 2, ChannelsPerResponse: 2})
	from := func(address string) (*pabal.Session, error) {
		return h.Open(pabal.Grant{Address: address}, pabal.NewSignal(), pabal.Options{})
	}
	served := newReader(t, h, pabal.Options{}, "a", pabal.FromNow())
	served.next("$live")
	one, err1 := from("::1")
	two, err2 := h.Open(pabal.Grant{Address: "::2"}, nil, pabal.Options{})
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	_, err := from("::3")
	wantLimit(t, err, "sessions", 3)
	two.Close()
	two.Close()
	three, err := from("::1")
	if err != nil {
		t.Fatal("a session that was closed still counts: ", err)
	}
	served.Close()
	_, err = from("::1")
	wantLimit(t, err, "sessions-per-address", 2)
	if got := h.Stats().Sessions; got != 2 {
		t.Errorf("sessions: got %d, want 2", got)
	}
	one.Close()
	three.Close()
	if got := h.Stats().Sessions; got != 0 {
		t.Errorf("sessions after all were closed: got %d, want 0", got)
	}

	served = newReader(t, h, pabal.Options{}, "a", pabal.FromNow())
	served.next("$live")
	if err := served.Subscribe("a", pabal.FromNow()); err == nil {
		t.Error("subscribed to the same channel twice: want an error")
	}
	if err := served.Subscribe("b", pabal.FromNow()); err != nil {
		t.Fatal(err)
	}
	wantLimit(t, served.Subscribe("c", pabal.FromNow()), "channels-per-response", 2)
	newcomer := newReader(t, h, pabal.Options{}, "b", pabal.FromNow())
	wantLimit(t, newcomer.Subscribe("c", pabal.FromNow()), "channels", 2)
	if got := h.Readers("c"); got != 0 {
		t.Errorf("readers of the refused channel: got %d, want 0", got)
	}
	served.next("$live")
	newcomer.next("$live")
	publish(t, h, "a", "1")
	served.next("1")
	publish(t, h, "b", "2")
	served.next("2")
	newcomer.next("2")
}

func wantLimit(t *testing.T, err error, name string, most int) {
	t.Helper()
	var limit *pabal.LimitError
	if !errors.As(err, &limit) || limit.Limit != name || limit.Max != most {
		t.Errorf("got %v, want the limit %s of %d", err, name, most)
		return
	}
	if text := err.Error(); !strings.Contains(text, name) || !strings.Contains(text, fmt.Sprint(most)) {
		t.Errorf("the error %q does not name %s and %d", text, name, most)
	}
}

// Only Pabal writes to Pabal's own channels; anybody may read them.
func TestOwnChannels(t *testing.T) {
	h := newHub(t, newMemory(t, pabal.Retention{}), pabal.Limits{})
	p := pabal.Publish{Messages: []pabal.Message{{Data: []byte("1")}}}
	_, err := h.Publish(t.Context(), pabal.Grant{}, "$host/cpu", p)
	for _, err := range []error{err, h.Delete(t.Context(), pabal.Grant{}, "$host/cpu")} {
		if _, ok := errors.AsType[*pabal.ForbiddenError](err); !ok || !strings.Contains(err.Error(), `"$host/cpu"`) {
			t.Errorf("got %v, want a ForbiddenError that names the channel", err)
		}
	}
	if _, err := h.Publish(t.Context(), pabal.Grant{Own: true}, "$host/cpu", p); err != nil {
		t.Error(err)
	}
	newReader(t, h, pabal.Options{}, "$host/cpu", pabal.FromAll()).next("1", "$live")
}

func TestStats(t *testing.T) {
	h := newHub(t, newMemory(t, pabal.Retention{}), pabal.Limits{})
	once := pabal.Publish{Messages: []pabal.Message{{ID: "1", Data: []byte("1")}}}
	for i := range 2 {
		if done, err := h.Publish(t.Context(), pabal.Grant{}, "a", once); err != nil || done.Duplicate != (i > 0) {
			t.Fatal(done, err)
		}
	}
	publish(t, h, "b", "2")
	closeChannel(t, h, "b")
	newReader(t, h, pabal.Options{}, "a", pabal.FromAll()).next("1", "$live")
	r := newReader(t, h, pabal.Options{}, "a", pabal.FromAll())
	if got, want := h.Stats(), (pabal.Stats{Sessions: 2, Channels: 1, Published: 2, Delivered: 1}); got != want {
		t.Errorf("stats: got %+v, want %+v", got, want)
	}
	if got := h.Readers("a"); got != 2 {
		t.Errorf("readers of a: got %d, want 2", got)
	}
	if r.Unsubscribe("b") || !r.Unsubscribe("a") || h.Readers("a") != 1 {
		t.Errorf("after one unsubscribed: %d readers, want 1", h.Readers("a"))
	}
	if end, closed, err := h.End(t.Context(), "b"); err != nil || !closed || end.Offset != 1 {
		t.Errorf("the end of b: got %v, closed %v, %v", end, closed, err)
	}
	if got, err := h.Channels(t.Context(), "", "a", 10); err != nil || !slices.Equal(got, []pabal.Channel{"b"}) {
		t.Errorf("channels after a: got %v, %v", got, err)
	}
	mute := newHub(t, &hooked{Broker: newMemory(t, pabal.Retention{})}, pabal.Limits{})
	if _, err := mute.Channels(t.Context(), "", "", 1); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("a broker that cannot list: got %v", err)
	}
}

// Many that catch up from the same place at once cost one read more than the
// one that was under way, which none of them uses: it may have begun before
// what they must see.
func TestReadsAreShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var reads, most, now atomic.Int32
		gate := make(chan struct{})
		b := &hooked{Broker: newMemory(t, pabal.Retention{})}
		b.read = func(ctx context.Context, ch pabal.Channel, q pabal.Query) (pabal.Page, error) {
			page, err := b.Broker.Read(ctx, ch, q)
			if _, resumed := q.From.After(); resumed { // only the sessions' reads
				return page, err
			}
			reads.Add(1)
			most.Store(max(most.Load(), now.Add(1)))
			<-gate
			now.Add(-1)
			return page, err
		}
		h := newHub(t, b, pabal.Limits{})
		var all sync.WaitGroup
		join := func(n int, want ...string) {
			for range n {
				r := newReader(t, h, pabal.Options{}, "a", pabal.FromAll())
				all.Go(func() { r.next(want...) })
			}
			synctest.Wait()
		}
		publish(t, h, "a", "1")
		join(1, "1", "2", "$live")
		publish(t, h, "a", "2")
		join(100, "1", "2", "$live")
		close(gate)
		all.Wait()
		if reads.Load() != 2 || most.Load() != 1 {
			t.Errorf("101 readers: got %d reads, %d at once, want 2, one after the other", reads.Load(), most.Load())
		}
	})
}

// After Close nothing is left that runs, and what is asked for is refused.
func TestHubClose(t *testing.T) {
	b := newMemory(t, pabal.Retention{})
	h := pabal.NewHub(b, pabal.Limits{})
	caught, behind := newReader(t, h, pabal.Options{}, "a", pabal.FromNow()), newReader(t, h, pabal.Options{}, "b", pabal.FromNow())
	caught.next("$live")
	h.Close()
	h.Close()
	if _, err := h.Open(pabal.Grant{}, nil, pabal.Options{}); !errors.Is(err, pabal.ErrHubClosed) {
		t.Errorf("open: got %v, want ErrHubClosed", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	if err := behind.CatchUp(ctx); !errors.Is(err, pabal.ErrHubClosed) {
		t.Errorf("catch up: got %v, want ErrHubClosed", err)
	}
}
