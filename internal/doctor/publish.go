package doctor

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A poster publishes over one version of HTTP.
type poster struct {
	http    string
	client  *http.Client
	took    []time.Duration
	failure *failure
}

// rounds is how many messages are published while all read.
const rounds = 6

// publish publishes a few messages, each when the last has come by each
// technique, or should have.
func (x *exam) publish(ctx context.Context) {
	for n := range rounds {
		if sent := x.post(ctx, x.posters[n%len(x.posters)], n, 0); !sent.IsZero() {
			x.expect(ctx, n, sent, x.options.Patience/3+2*x.reached)
		}
	}
	x.report.Publish = x.permission()
}

// permission says what became of publishing.
func (x *exam) permission() string {
	permission := Failed
	for _, p := range x.posters {
		switch {
		case len(p.took) > 0:
			return Allowed
		case p.failure.forbids():
			permission = Forbidden
		}
	}
	return permission
}

// post publishes message n with some bytes more, and once more if the connection
// breaks. It returns when it was sent; the zero time if it was not taken.
func (x *exam) post(ctx context.Context, p *poster, n, fill int) (sent time.Time) {
	if p.failure != nil {
		return time.Time{}
	}
	body, err := json.Marshal(message{x.nonce, n, strings.Repeat("x", fill)})
	if err != nil {
		p.failure = &failure{err: err}
		return time.Time{}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, x.patience(), errNoAnswer(x.patience()))
	defer cancel()
	var failed *failure
	for range 2 {
		sent = time.Now()
		a, err := x.send(ctx, p, n, body)
		switch {
		case err == nil && a.status == http.StatusOK:
			p.took = append(p.took, time.Since(sent))
			x.kept = true
			x.kick()
			return sent
		case err == nil:
			p.failure = a.failure()
			return time.Time{}
		}
		if failed = (&failure{err: err}); ctx.Err() != nil {
			failed.err = context.Cause(ctx)
			break
		}
	}
	p.failure = failed
	return time.Time{}
}

func (x *exam) send(ctx context.Context, p *poster, n int, body []byte) (*answer, error) {
	req, err := x.request(ctx, http.MethodPost, x.at(nil), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", x.nonce+"-"+string(rune('a'+n)))
	return whole(p.client, req)
}

// kick has those ask who poll.
func (x *exam) kick() {
	for _, r := range x.readers {
		if r.technique != poll {
			continue
		}
		select {
		case r.kick <- struct{}{}:
		default: // it is to ask already
		}
	}
}

// expect waits for message n at those who read and have missed none, and notes
// who misses it.
func (x *exam) expect(ctx context.Context, n int, sent time.Time, patience time.Duration) {
	has := func(r *reader) bool { return !r.live() || !r.arrived[n].IsZero() }
	x.await(ctx, patience, x.all(func(r *reader) bool { return has(r) || r.late > 0 }))
	x.note(func() {
		for _, r := range x.readers {
			if at := r.arrived[n]; !at.IsZero() {
				r.delivered = append(r.delivered, at.Sub(sent))
			} else if r.live() {
				r.late++
			}
		}
	})
}

// paddings are tried to find how much is held back.
var paddings = []int{1 << 10, 4 << 10, 16 << 10, 64 << 10}

// weigh finds how many bytes make what is held back come: of what did not open
// by padding, of what came late by longer and longer messages.
func (x *exam) weigh(ctx, reads context.Context) {
	x.pad(ctx, reads)
	holds := func(r *reader) bool { return r.live() && r.late > 0 && r.technique != poll }
	x.mu.Lock()
	none := x.all(func(r *reader) bool { return !holds(r) })()
	x.mu.Unlock()
	p := x.working()
	if none || p == nil {
		return
	}
	sum := 0
	for i, size := range paddings {
		n := rounds + i
		if x.post(ctx, p, n, size).IsZero() {
			return
		}
		sum += size
		came := func(r *reader) bool { return !holds(r) || len(r.arrived) > 0 }
		x.await(ctx, x.options.Patience/6+x.reached, x.all(came))
		x.note(func() {
			for _, r := range x.readers {
				if holds(r) && len(r.arrived) > 0 && r.held == 0 {
					r.held = sum
				}
			}
		})
	}
}

// pad opens the first technique of each version of HTTP of which nothing came
// with more and more padding, all at once.
func (x *exam) pad(ctx, reads context.Context) {
	for _, version := range []string{"1.1", "2"} {
		held := func(r *reader) bool {
			return r.http == version && r.tardy && !r.settled() && slices.Contains(streaming, r.technique)
		}
		x.mu.Lock()
		first := slices.IndexFunc(x.readers, held)
		x.mu.Unlock()
		if first < 0 {
			continue
		}
		x.renew() // which makes room for these
		reads, cancel := context.WithCancel(reads)
		padded := make([]*reader, len(paddings))
		for i, size := range paddings {
			padded[i] = x.newReader(x.readers[first].technique, version)
			padded[i].more = map[string][]string{"pad": {strconv.Itoa(size)}}
			x.reading.Go(func() { padded[i].run(reads) })
		}
		came := func(r *reader) bool { return !r.body.IsZero() } // of the padding, which may still hold the rest
		x.await(ctx, x.patience(), func() bool { return slices.IndexFunc(padded, came) == 0 })
		x.note(func() {
			if opened := slices.IndexFunc(padded, came); opened >= 0 {
				for _, r := range x.readers {
					if held(r) {
						r.held = paddings[opened]
					}
				}
			}
		})
		cancel()
	}
}

// working returns a poster that publishes, or nil.
func (x *exam) working() *poster {
	for _, p := range x.posters {
		if p.failure == nil && len(p.took) > 0 {
			return p
		}
	}
	return nil
}

// last publishes after the watch, and notes where it does not come.
func (x *exam) last(ctx context.Context) {
	const n = rounds + 10
	p := x.working()
	if p == nil {
		return
	}
	x.renew()
	if x.post(ctx, p, n, 0).IsZero() {
		return
	}
	came := func(r *reader) bool { return !r.live() || r.late > 0 || !r.arrived[n].IsZero() }
	x.await(ctx, x.options.Patience/3+2*x.reached, x.all(came))
	x.note(func() {
		for _, r := range x.readers {
			if !came(r) {
				r.mute = time.Now()
			}
		}
	})
}

// renew has requests go over new connections, since those that have been idle
// may be dead without a word.
func (x *exam) renew() {
	for _, p := range x.posters {
		p.client.CloseIdleConnections()
	}
	for _, r := range x.readers {
		if r.technique == poll {
			r.client.CloseIdleConnections()
		}
	}
}

// release closes the channel, so that the responses end, and waits for what was
// held back.
func (x *exam) release(ctx context.Context) {
	waits := func(r *reader) bool {
		return (r.tardy || r.late > 0) && r.ended.IsZero() && slices.Contains(streaming, r.technique)
	}
	x.mu.Lock()
	none := x.all(func(r *reader) bool { return !waits(r) })()
	x.mu.Unlock()
	p := x.working()
	if none || p == nil {
		return
	}
	x.note(func() {
		for _, r := range x.readers {
			r.released = waits(r) && r.opened.IsZero()
		}
	})
	ctx, cancel := context.WithTimeout(ctx, x.patience())
	defer cancel()
	req, err := x.request(ctx, http.MethodPost, x.at(map[string][]string{"close": {""}}), nil)
	if err != nil {
		return
	}
	if _, err := whole(p.client, req); err != nil {
		return // what is held back stays so: the report says as much
	}
	x.await(ctx, x.patience(), x.all(func(r *reader) bool { return !waits(r) }))
}

// delete deletes the channel, also if ctx has ended.
func (x *exam) delete(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), min(x.patience(), 3*time.Second))
	defer cancel()
	for range 2 {
		req, err := x.request(ctx, http.MethodDelete, x.at(nil), nil)
		if err != nil {
			break
		}
		a, err := whole(cmp.Or(x.working(), x.posters[0]).client, req)
		if err == nil {
			x.report.Left = a.status/100 != 2
			return
		}
	}
	x.report.Left = true
}

// median returns the middle one, or 0 of none.
func median(list []time.Duration) time.Duration {
	if len(list) == 0 {
		return 0
	}
	list = slices.Sorted(slices.Values(list))
	return list[len(list)/2]
}
