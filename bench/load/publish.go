package main

import (
	"errors"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pabal/pabal/bench/internal/job"
	"github.com/pabal/pabal/bench/internal/process"
)

// pauseFull is how long a publisher waits whose readers are all as far behind as
// they may be.
const pauseFull = 300 * time.Microsecond

// A run is one order to publish, while it is carried out.
type run struct {
	*generator
	job.Publish
	posters  []*poster
	begun    atomic.Int64 // messages that were sent, or are about to be
	accepted atomic.Int64 // messages that the server accepted
	stop     atomic.Bool
	failed   chan error
	working  sync.WaitGroup
}

// counted is what was counted by a moment.
type counted struct {
	at                         time.Time
	accepted, delivered, reads int64
	server, own                time.Duration
}

func (g *generator) publish(order job.Publish) (*job.Published, error) {
	r := &run{generator: g, Publish: order, failed: make(chan error, g.target.Publishers)}
	defer r.hangUp()
	if err := r.dial(); err != nil {
		return nil, err
	}
	g.loop.do(func() {
		g.ledger.counts = job.Counts{}
		g.ledger.ages.Reset()
		g.ledger.from, g.ledger.to = 0, 0
	})
	begin := r.start()
	from := begin.Add(seconds(order.Warm))
	to := from.Add(seconds(order.Measure))
	g.loop.do(func() { g.ledger.from, g.ledger.to = from.UnixMicro(), to.UnixMicro() })
	before, err := r.countAt(from)
	if err != nil {
		return nil, err
	}
	after, err := r.countAt(to)
	r.stop.Store(true)
	if err != nil {
		return nil, err
	}
	p := &job.Published{
		Seconds: after.at.Sub(before.at).Seconds(), Sent: after.accepted - before.accepted,
		Delivered: after.delivered - before.delivered, Reads: after.reads - before.reads,
		ServerCPU: (after.server - before.server).Seconds(), OwnCPU: (after.own - before.own).Seconds(),
	}
	g.loop.do(func() { p.Backlog = g.ledger.behind() + r.late(to.Sub(begin)) })
	if err := r.drain(to, p); err != nil {
		return nil, err
	}
	g.loop.do(func() { p.Age, p.Counts = g.ledger.age(), g.ledger.counts })
	return p, nil
}

// dial connects the publishers: anew for each run, since servers end what was
// idle for long.
func (r *run) dial() error {
	n := r.target.Publishers
	if r.Rate > 0 {
		n = 1
	}
	for range n {
		p, err := dialPoster(r.target.Address, r.form)
		if err != nil {
			return err
		}
		r.posters = append(r.posters, p)
	}
	return nil
}

// late tells how many messages were due after so much time and not yet sent,
// because the server had not answered to the one before.
func (r *run) late(after time.Duration) int64 {
	if r.Rate == 0 {
		return 0
	}
	due := int64(after.Seconds()*r.Rate/float64(r.Batch)+0.5) * int64(r.Batch)
	return max(0, due-r.begun.Load())
}

func (r *run) hangUp() {
	for _, p := range r.posters {
		_ = p.conn.Close()
	}
}

// start lets the publishers begin and tells when they do. At a fixed rate the
// first message is due half an interval later, so that what is measured begins
// and ends between messages.
func (r *run) start() time.Time {
	begin := time.Now()
	if r.Rate > 0 {
		begin = begin.Add(50 * time.Millisecond)
	}
	for i, p := range r.posters {
		r.working.Go(func() {
			var err error
			if r.Rate > 0 {
				err = r.paced(p, begin)
			} else {
				err = r.full(p, i)
			}
			if err != nil {
				r.failed <- err
			}
		})
	}
	return begin
}

// countAt counts at a moment that is to come.
func (r *run) countAt(at time.Time) (counted, error) {
	select {
	case err := <-r.failed:
		r.stop.Store(true)
		r.working.Wait()
		return counted{}, err
	case <-time.After(time.Until(at)):
	}
	server, err := process.CPU(r.target.Processes)
	return counted{time.Now(), r.accepted.Load(), r.ledger.delivered.Load(), r.ledger.reads.Load(), server, process.Own()}, err
}

// drain waits until all readers have all, and the publishers have ended.
func (r *run) drain(since time.Time, p *job.Published) error {
	r.working.Wait()
	select {
	case err := <-r.failed:
		return err
	default:
	}
	p.Drained = -1
	for end := since.Add(seconds(r.Drain)); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		var behind int64
		r.loop.do(func() { behind = r.ledger.behind() })
		if behind == 0 {
			p.Drained = time.Since(since).Seconds()
			return nil
		}
	}
	return nil
}

// full publishes as fast as readers take it: the i-th publisher its own stream
// of one channel, or all messages of every so many-th channel.
func (r *run) full(p *poster, i int) error {
	var streams []int
	for s := i; s < len(r.ledger.streams); s += len(r.posters) {
		streams = append(streams, s)
	}
	flight := int64(math.MaxInt64)
	if r.Flight > 0 {
		flight = max(int64(r.Batch), int64(r.Flight/r.ledger.perChannel))
	}
	for !r.stop.Load() {
		sent := false
		for _, n := range streams {
			s := &r.ledger.streams[n]
			if s.sent.Load()-s.front.Load() > flight-int64(r.Batch) {
				continue
			}
			if err := r.send(p, n, time.Now()); err != nil {
				return err
			}
			sent = true
			if r.stop.Load() {
				break
			}
		}
		if !sent {
			time.Sleep(pauseFull)
		}
	}
	return nil
}

// paced publishes when messages are due, to one channel after the other. What
// is due while the server has yet to answer is sent late, and is so much older.
func (r *run) paced(p *poster, begin time.Time) error {
	interval := time.Duration(float64(r.Batch) * float64(time.Second) / r.Rate)
	for k := 0; ; k++ {
		due := begin.Add(interval/2 + time.Duration(k)*interval)
		time.Sleep(time.Until(due))
		if r.stop.Load() {
			return nil
		}
		stream := k * r.ledger.perChannel % len(r.ledger.streams)
		if s := &r.ledger.streams[stream]; s.sent.Load()-s.front.Load() > int64(len(s.got)/2) && s.need > 0 {
			return errors.New("readers are too far behind to count what they get: publish fewer messages")
		}
		if err := r.send(p, stream, due); err != nil {
			return err
		}
	}
}

// send publishes the next messages of a stream.
func (r *run) send(p *poster, stream int, due time.Time) error {
	s := &r.ledger.streams[stream]
	first := s.sent.Load()
	p.messages = p.messages[:0]
	p.data = p.data[:0]
	for i := range int64(r.Batch) {
		begin := len(p.data)
		p.data = appendPayload(p.data, mark{stream, int(first + i), due.UnixMicro()}, r.Payload)
		p.messages = append(p.messages, p.data[begin:])
	}
	s.sent.Add(int64(r.Batch))
	r.begun.Add(int64(r.Batch))
	if err := p.post(stream/r.ledger.perChannel, p.messages); err != nil {
		return err
	}
	r.accepted.Add(int64(r.Batch))
	return nil
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
