package proxy

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// A pump passes on what comes in one direction of a link.
type pump struct {
	link     *link
	from, to *net.TCPConn
	counter  *atomic.Int64
	jitter   *rand.Rand
	filter   filter // nil: none
	piece    int    // how much to read at once

	// Towards the client:
	towardsClient bool
	cuts          *rand.Rand
	left          int       // bytes until it is cut; -1 for no end
	clear         time.Time // when the bandwidth is free again
}

// A filter changes or holds back what passes.
type filter interface {
	// pass returns what goes on now that b has come.
	pass(b []byte) []byte
	// rest returns what was held back, at the end.
	rest() []byte
}

// newPumps returns the pumps towards the server and towards the client.
func newPumps(l *link) (up, down *pump) {
	f := l.faults
	client, server := l.ends[0], l.ends[1]
	up = &pump{link: l, from: client, to: server, counter: &l.proxy.in, jitter: l.proxy.random(l.number, 1), piece: 8192, left: -1}
	down = &pump{
		link: l, from: server, to: client, counter: &l.proxy.out, jitter: l.proxy.random(l.number, 2), piece: 8192, left: -1,
		towardsClient: true, cuts: l.proxy.random(l.number, 3),
	}
	if f.CutBytes > 0 {
		down.left = int(down.cuts.ExpFloat64() * float64(f.CutBytes))
	}
	if f.Bandwidth > 0 {
		down.piece = min(max(f.Bandwidth/20, 256), 8192)
	}
	if f.StripUpgrade || f.Buffer > 0 {
		asked := newRequests(l)
		up.filter = asked
		if f.Buffer > 0 {
			down.filter = newResponses(l, asked)
		}
	}
	return up, down
}

// errCut says that the link was cut within what was to be written.
var errCut = errors.New("cut")

// run passes bytes until their end, and then the end; or until the link is cut.
func (p *pump) run() {
	err := p.carry()
	switch {
	case p.link.ctx.Err() != nil:
	case err == nil:
		_ = p.to.CloseWrite() // it may have been reset meanwhile: then reading it says so
	default:
		p.link.reset(false)
	}
}

// carry passes bytes until their end.
func (p *pump) carry() error {
	f := p.link.faults
	if f.Delay <= 0 && f.Jitter <= 0 {
		return p.read(p.write)
	}
	queue := make(chan delayed, 64)
	var writing sync.WaitGroup
	var failed error
	writing.Go(func() {
		if failed = p.writeLate(queue); failed != nil && p.link.ctx.Err() == nil {
			p.link.reset(false)
		}
	})
	var last time.Time
	err := p.read(func(b []byte) error {
		due := time.Now().Add(f.Delay)
		if f.Jitter > 0 {
			due = due.Add(time.Duration(p.jitter.Int64N(int64(f.Jitter))))
		}
		if due.Before(last) {
			due = last
		}
		last = due
		select {
		case queue <- delayed{due, append([]byte(nil), b...)}:
			return nil
		case <-p.link.ctx.Done():
			return p.link.ctx.Err()
		}
	})
	close(queue)
	writing.Wait()
	return errors.Join(err, failed)
}

// A delayed is what is to be written at a time.
type delayed struct {
	due  time.Time
	data []byte
}

func (p *pump) writeLate(queue <-chan delayed) error {
	for d := range queue {
		if !wait(p.link.ctx, time.Until(d.due)) {
			return p.link.ctx.Err()
		}
		if err := p.write(d.data); err != nil {
			return err
		}
	}
	return nil
}

// read gives what comes to pass, through the filter. It returns nil at the end,
// which it has passed as an empty piece.
func (p *pump) read(pass func([]byte) error) error {
	buffer := make([]byte, p.piece)
	for {
		n, err := p.from.Read(buffer)
		if n > 0 {
			b := buffer[:n]
			if p.filter != nil {
				b = p.filter.pass(b)
			}
			if len(b) > 0 {
				if err := pass(b); err != nil {
					return err
				}
			}
		}
		if errors.Is(err, io.EOF) {
			if p.filter != nil {
				return pass(p.filter.rest())
			}
			return pass(nil)
		}
		if err != nil {
			return err
		}
	}
}

// write writes b, as fast as the bandwidth allows, to the byte at which the
// link is to be cut.
func (p *pump) write(b []byte) error {
	bandwidth := p.link.faults.Bandwidth
	for len(b) > 0 {
		n := len(b)
		if p.towardsClient && bandwidth > 0 {
			if !wait(p.link.ctx, time.Until(p.clear)) {
				return p.link.ctx.Err()
			}
			n = min(n, max(1, bandwidth/20))
			if now := time.Now(); now.Sub(p.clear) > 10*time.Millisecond { // more than a timer is late
				p.clear = now
			}
			p.clear = p.clear.Add(time.Duration(n) * time.Second / time.Duration(bandwidth))
		}
		cut := p.left >= 0 && n >= p.left
		if cut {
			n = p.left
		}
		if p.towardsClient && p.link.doomed.Load() {
			cut = true
			n = p.cuts.IntN(n + 1)
		}
		wrote, err := p.to.Write(b[:n])
		p.counter.Add(int64(wrote))
		if err != nil {
			return err
		}
		if cut {
			p.link.cut()
			return errCut
		}
		if p.left >= 0 {
			p.left -= n
		}
		b = b[n:]
	}
	return nil
}
