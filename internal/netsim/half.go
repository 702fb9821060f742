package netsim

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// never is a time that does not come.
var never = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

func isEnd(err error) bool { return errors.Is(err, io.EOF) }

// A packet is what arrives at once.
type packet struct {
	at   time.Time
	data []byte
	end  error // instead of data
}

// A half is one direction of a connection.
type half struct {
	link   Link
	mu     sync.Mutex
	random *rand.Rand

	queue []packet
	size  int       // bytes in it
	last  time.Time // when the last of it arrives

	writer, reader ending
	readBy         time.Time
	writeBy        time.Time

	quiet   time.Time // nothing arrives before
	since   time.Time // since when
	paused  time.Time // nothing is taken before
	changed chan struct{}
}

// An ending is how one end of a half has ended.
type ending struct {
	err error     // of whoever uses it still; nil: it has not
	at  time.Time // when the other end gets to know, of a reader that has left
}

func newHalf(l Link, r *rand.Rand) *half {
	return &half{link: l, random: r, changed: make(chan struct{})}
}

// arrives returns how long a byte is under way.
func (h *half) arrives() time.Duration {
	d := h.link.Delay
	if h.link.Jitter > 0 {
		d += time.Duration(h.random.Int64N(int64(h.link.Jitter)))
	}
	return d
}

// change changes h with f, and wakes whoever waits for that.
func (h *half) change(f func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f()
	h.wakeLocked()
}

func (h *half) wakeLocked() {
	close(h.changed)
	h.changed = make(chan struct{})
}

// put has something arrive after all that does.
func (h *half) put(p packet) {
	at := time.Now().Add(h.arrives())
	if at.Before(h.last) {
		at = h.last
	}
	if h.link.Rate > 0 {
		at = at.Add(time.Duration(len(p.data)) * time.Second / time.Duration(h.link.Rate))
	}
	p.at, h.last = at, at
	h.queue = append(h.queue, p)
	h.size += len(p.data)
}

// An outcome says what a try led to: nothing yet, if it is to be tried again
// when h has changed, or at a time, which is never if that is zero.
type outcome struct {
	n     int
	err   error
	again time.Time
}

// do tries until there is an outcome.
func (h *half) do(try func() outcome) (int, error) {
	for {
		h.mu.Lock()
		o := try()
		changed := h.changed
		h.mu.Unlock()
		if o.again.IsZero() {
			return o.n, o.err
		}
		waitFor(changed, o.again)
	}
}

// waitFor waits for news, or until a time. Without one there is no timer, so
// that a bubble in which nothing happens any more is found out.
func waitFor(news <-chan struct{}, until time.Time) {
	if until.Equal(never) {
		<-news
		return
	}
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	select {
	case <-news:
	case <-timer.C:
	}
}

// past reports whether t has come; a zero one never does.
func past(t, now time.Time) bool { return !t.IsZero() && !now.Before(t) }

// first returns the earliest of times that are not zero.
func first(times ...time.Time) time.Time {
	best := never
	for _, t := range times {
		if !t.IsZero() && t.Before(best) {
			best = t
		}
	}
	return best
}

// death returns when h ends because nothing gets through; zero if it does not.
func (h *half) death(now time.Time) time.Time {
	if at := h.since.Add(h.link.dead()); now.Before(h.quiet) && at.Before(h.quiet) {
		return at
	}
	return time.Time{}
}

func (h *half) read(b []byte) (int, error) {
	return h.do(func() outcome {
		now := time.Now()
		death := h.death(now)
		switch {
		case h.reader.err != nil:
			return outcome{err: h.reader.err}
		case past(h.readBy, now):
			return outcome{err: errTimeout}
		case past(death, now):
			return outcome{err: errDead}
		case len(b) == 0:
			return outcome{}
		}
		if len(h.queue) == 0 {
			return outcome{again: first(h.readBy, death)}
		}
		p := &h.queue[0]
		ready := p.at
		for _, t := range []time.Time{h.quiet, h.paused} {
			if ready.Before(t) {
				ready = t
			}
		}
		if now.Before(ready) {
			return outcome{again: first(ready, h.readBy, death)}
		}
		if p.end != nil {
			return outcome{err: p.end}
		}
		return outcome{n: h.takeLocked(b, now)}
	})
}

// takeLocked takes what has arrived.
func (h *half) takeLocked(b []byte, now time.Time) (n int) {
	if h.link.Broken && h.random.IntN(4) == 0 {
		b = b[:1+h.random.IntN(len(b))]
	}
	for len(h.queue) > 0 && n < len(b) {
		p := &h.queue[0]
		if p.end != nil || now.Before(p.at) {
			break
		}
		took := copy(b[n:], p.data)
		n += took
		if p.data = p.data[took:]; len(p.data) == 0 {
			h.queue = h.queue[1:]
		}
	}
	h.size -= n
	h.wakeLocked()
	return n
}

func (h *half) write(b []byte) (all int, err error) {
	return h.do(func() outcome {
		now := time.Now()
		death := h.death(now)
		switch {
		case h.writer.err != nil:
			return outcome{all, h.writer.err, time.Time{}}
		case past(h.writeBy, now):
			return outcome{all, errTimeout, time.Time{}}
		case past(death, now):
			return outcome{all, errDead, time.Time{}}
		case h.reader.err != nil && past(h.reader.at, now):
			return outcome{all, errPipe, time.Time{}}
		case h.reader.err != nil: // what is written is lost
			return outcome{n: len(b)}
		}
		if n := min(len(b)-all, h.link.room()-h.size); n > 0 {
			h.put(packet{data: append([]byte(nil), b[all:all+n]...)})
			all += n
			h.wakeLocked()
		}
		if all < len(b) {
			return outcome{again: first(h.writeBy, death)}
		}
		return outcome{n: all}
	})
}

// finish says that nothing more is written; or, by a reset, that there is
// nobody any more.
func (h *half) finish(reset bool) {
	h.change(func() {
		if h.writer.err != nil {
			return
		}
		h.writer.err = net.ErrClosed
		end := io.EOF
		if reset {
			end = errReset
		}
		h.put(packet{end: end})
	})
}

// leave says that nobody reads any more. It reports whether bytes were left.
func (h *half) leave() (unread bool) {
	h.change(func() {
		now := time.Now()
		unread = h.size > 0 && !now.Before(h.queue[0].at)
		h.reader = ending{net.ErrClosed, now.Add(h.arrives())}
		h.queue, h.size = nil, 0
	})
	return unread
}

// cut has what is under way arrive up to any byte, and then a reset. Of what
// has to wait nothing arrives.
func (h *half) cut() {
	h.change(func() {
		now := time.Now()
		if h.writer.err != nil && len(h.queue) == 0 || h.reader.err != nil {
			h.writer.err = errReset
			return
		}
		left := 0
		if h.size > 0 && !now.Before(h.quiet) && !now.Before(h.paused) {
			left = h.random.IntN(h.size + 1)
		}
		h.size = left
		kept := h.queue[:0]
		for _, p := range h.queue {
			if p.data = p.data[:min(left, len(p.data))]; len(p.data) == 0 {
				break
			}
			left -= len(p.data)
			kept = append(kept, p)
		}
		at := now
		if len(kept) > 0 && kept[len(kept)-1].at.After(at) {
			at = kept[len(kept)-1].at
		}
		kept = append(kept, packet{at: at, end: errReset})
		h.queue = kept
		h.writer.err = errReset
	})
}

// silence has nothing arrive until then.
func (h *half) silence(until time.Time) {
	h.change(func() {
		if now := time.Now(); !now.Before(h.quiet) {
			h.since = now
		}
		if h.quiet.Before(until) {
			h.quiet = until
		}
	})
}

// pause has nothing be taken until then.
func (h *half) pause(until time.Time) {
	h.change(func() { h.paused = until })
}
