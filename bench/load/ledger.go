package main

import (
	"sync/atomic"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/pabal/pabal/bench/internal/job"
)

// A stream is the messages that one publisher sends to one channel: they are
// numbered from 0, and every reader of the channel gets all, once, in order.
type stream struct {
	sent  atomic.Int64 // how many were published
	front atomic.Int64 // how many of them every reader has
	need  int32        // readers
	got   []int32      // how many readers have a message, by its number, round and round
}

// A ledger keeps what readers got. It belongs to the loop, but for what is
// atomic.
type ledger struct {
	perChannel int // streams of a channel
	streams    []stream
	delivered  atomic.Int64
	reads      atomic.Int64
	counts     job.Counts
	ages       *hdrhistogram.Histogram // in microseconds
	from, to   int64                   // of messages due in this time
}

// oldest is the greatest age that is told apart: two minutes.
const oldest = 120_000_000

// newLedger makes one for messages of which the slowest reader is fewer than
// window behind, a power of two.
func newLedger(channels, perChannel, window int) *ledger {
	l := &ledger{perChannel: perChannel, streams: make([]stream, channels*perChannel), ages: hdrhistogram.New(1, oldest, 3)}
	for i := range l.streams {
		l.streams[i].got = make([]int32, window)
	}
	return l
}

// A reader is a place in each stream of its channel.
type reader struct {
	first   int                   // stream of the channel
	next    []int32               // by stream, the number that comes next
	missing map[[2]int32]struct{} // what it was due and has not got: stream and number
	gone    bool                  // it counts no more
}

// join adds a reader, who gets what is published from now on.
func (l *ledger) join(r *reader, channel int) {
	r.first, r.next = channel*l.perChannel, make([]int32, l.perChannel)
	for i := range r.next {
		s := &l.streams[r.first+i]
		s.need++
		r.next[i] = int32(s.sent.Load())
		if s.need == 1 {
			s.front.Store(s.sent.Load())
		}
	}
}

// leave takes a reader out: nobody waits for it any more.
func (l *ledger) leave(r *reader) {
	if r.gone {
		return
	}
	r.gone = true
	for i, next := range r.next {
		s := &l.streams[r.first+i]
		s.need--
		for n := s.front.Load(); n < int64(next); n++ {
			s.got[int(n)&(len(s.got)-1)]--
		}
		s.advance()
	}
}

// breaks notes that the server cut a reader off: it gets nothing more, and
// loses what it has not.
func (l *ledger) breaks(r *reader, why string) {
	if r.gone {
		return
	}
	l.leave(r)
	l.counts.Broken++
	if l.counts.Why == "" {
		l.counts.Why = why
	}
	for i, next := range r.next {
		lost := l.streams[r.first+i].sent.Load() - int64(next)
		l.counts.Lost += lost
		l.counts.Expected += lost
	}
}

// note notes that r got the message of m at now.
func (l *ledger) note(r *reader, m mark, now int64) {
	i := m.stream - r.first
	if i < 0 || i >= len(r.next) {
		l.counts.Strange++
		return
	}
	s := &l.streams[m.stream]
	n := int32(m.number)
	switch next := r.next[i]; {
	case n == next:
	case n > next && int64(n) < s.sent.Load():
		l.skip(r, i, next, n)
	default:
		key := [2]int32{int32(i), n}
		if _, ok := r.missing[key]; ok {
			delete(r.missing, key)
			l.counts.Lost--
			l.counts.Disordered++
		} else {
			l.counts.Repeated++
		}
		return
	}
	r.next[i] = n + 1
	l.delivered.Add(1)
	l.counts.Expected++
	if m.due >= l.from && m.due < l.to {
		_ = l.ages.RecordValue(min(max(now-m.due, 1), oldest))
	}
	s.arrived(n)
}

// skip notes that the messages from next to before n did not come.
func (l *ledger) skip(r *reader, i int, next, n int32) {
	if r.missing == nil {
		r.missing = map[[2]int32]struct{}{}
	}
	for ; next < n; next++ {
		r.missing[[2]int32{int32(i), next}] = struct{}{}
		l.counts.Lost++
		l.counts.Expected++
		l.streams[r.first+i].arrived(next) // nobody waits for it
	}
}

func (s *stream) arrived(n int32) {
	at := int(n) & (len(s.got) - 1)
	s.got[at]++
	if s.got[at] >= s.need {
		s.advance()
	}
}

// advance moves the front over what all readers have.
func (s *stream) advance() {
	front, sent := s.front.Load(), s.sent.Load()
	for front < sent && s.need > 0 && s.got[int(front)&(len(s.got)-1)] >= s.need {
		s.got[int(front)&(len(s.got)-1)] = 0
		front++
	}
	if s.need == 0 {
		clear(s.got)
		front = sent
	}
	s.front.Store(front)
}

// behind tells how many messages the slowest reader of any stream is behind.
func (l *ledger) behind() (most int64) {
	for i := range l.streams {
		s := &l.streams[i]
		if s.need > 0 {
			most = max(most, s.sent.Load()-s.front.Load())
		}
	}
	return most
}

// age sums up the ages noted.
func (l *ledger) age() job.Age {
	ms := func(quantile float64) float64 { return float64(l.ages.ValueAtQuantile(quantile)) / 1000 }
	return job.Age{Count: l.ages.TotalCount(), P50: ms(50), P90: ms(90), P99: ms(99), P999: ms(99.9), Max: float64(l.ages.Max()) / 1000}
}
