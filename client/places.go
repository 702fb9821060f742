package client

import (
	"fmt"
	"slices"
	"sync"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/vector"
)

// places are where a reader stands in each of its channels.
type places struct {
	mu  sync.Mutex
	all []place // in the order of the options
}

type place struct {
	channel pabal.Channel
	at      pabal.Position
	known   bool // at is
	closed  bool // and nothing follows
	beside  bool // it is read because of how the others are; the caller has not asked for it
}

func newPlaces(channels []pabal.Channel, cursors map[pabal.Channel]string) (*places, error) {
	if _, err := vector.New(channels); err != nil {
		return nil, fmt.Errorf("subscribe: %w", err)
	}
	p := &places{}
	for _, ch := range channels {
		p.all = append(p.all, place{channel: ch})
		if cursor := cursors[ch]; cursor != "" {
			if err := p.set(ch, cursor); err != nil {
				return nil, err
			}
		}
	}
	return p, nil
}

// beside adds a channel that is read beside those that were asked for.
func (p *places) beside(ch pabal.Channel) {
	p.all = append(p.all, place{channel: ch, beside: true})
}

func (p *places) isBeside(ch pabal.Channel) bool {
	return slices.ContainsFunc(p.all, func(at place) bool { return at.beside && at.channel == ch })
}

// withoutBeside returns n, which is a $open, without what was not asked for.
func (p *places) withoutBeside(n *Notice) *Notice {
	if !slices.ContainsFunc(n.Channels, p.isBeside) {
		return n
	}
	without := *n
	without.Channels, without.Cursors = nil, nil
	for i, ch := range n.Channels {
		if !p.isBeside(ch) {
			without.Channels, without.Cursors = append(without.Channels, ch), append(without.Cursors, n.Cursors[i])
		}
	}
	if len(without.Channels) == 1 {
		without.Channel, without.Cursor, without.Channels, without.Cursors = without.Channels[0], without.Cursors[0], nil, nil
	}
	return &without
}

// find returns the place of ch. A server that reads one channel need not name it.
func (p *places) find(ch pabal.Channel) (*place, error) {
	for i := range p.all {
		if p.all[i].channel == ch || ch == "" && len(p.all) == 1 {
			return &p.all[i], nil
		}
	}
	return nil, garbled("something about channel %q, which was not asked for", ch)
}

// set moves the reader to cursor: in ch, or, if it is a vector, in each
// channel that it holds.
func (p *places) set(ch pabal.Channel, cursor string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.move(ch, cursor, false)
}

// begin is as set, but leaves the places alone that are known.
func (p *places) begin(ch pabal.Channel, cursor string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.move(ch, cursor, true)
}

func (p *places) move(ch pabal.Channel, cursor string, onlyNew bool) error {
	if vector.Is(cursor) {
		v, err := vector.Parse(cursor)
		if err != nil {
			return err
		}
		for i := range p.all {
			at := &p.all[i]
			if to, ok := v.Of(at.channel); ok && (!onlyNew || !at.known) {
				at.at, at.known = to, true
			}
		}
		return nil
	}
	to, err := pabal.ParsePosition(cursor)
	if err != nil {
		return err
	}
	if ch == "" {
		if live := p.open(); len(live) == 1 {
			ch = live[0].channel
		}
	}
	at, err := p.find(ch)
	if err != nil {
		return err
	}
	if !onlyNew || !at.known {
		at.at, at.known = to, true
	}
	return nil
}

// take moves the reader from at over e. It reports false if e lies behind the
// reader, who has had it then.
func (p *places) take(at *place, e *pabal.Entry) (fresh bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	to := e.Position()
	if at.known && at.at.Epoch == to.Epoch && at.at.Offset >= to.Offset {
		return false
	}
	at.at, at.known = to, true
	return true
}

// close marks ch as closed, or all channels if ch is "". It reports false if
// that was known.
func (p *places) close(ch pabal.Channel) (fresh bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.all {
		if at := &p.all[i]; (ch == "" || at.channel == ch) && !at.closed {
			at.closed, fresh = true, true
		}
	}
	return fresh
}

// cursor returns where the reader stands in what is open, as one text; "" if
// that is known of no channel. A channel that it lacks begins where the
// subscription does.
func (p *places) cursor() string {
	known := slices.DeleteFunc(p.open(), func(at place) bool { return !at.known })
	if len(known) == 0 {
		return ""
	}
	if len(known) == 1 && len(p.open()) == 1 {
		return known[0].at.String()
	}
	channels := make([]pabal.Channel, len(known))
	for i, at := range known {
		channels[i] = at.channel
	}
	v, err := vector.New(channels)
	if err != nil {
		return "" // newPlaces has seen to it
	}
	for i, at := range known {
		v.Set(i, at.at)
	}
	return v.String()
}

// open returns the places where something can follow. Who calls it either
// holds the lock or is the only one to move the places.
func (p *places) open() []place {
	return slices.DeleteFunc(slices.Clone(p.all), func(at place) bool { return at.closed })
}

// named returns those of the open places that were asked for.
func (p *places) named() []place {
	return slices.DeleteFunc(p.open(), func(at place) bool { return at.beside })
}

func (p *places) cursors() map[pabal.Channel]string {
	p.mu.Lock()
	defer p.mu.Unlock()
	cursors := make(map[pabal.Channel]string, len(p.all))
	for _, at := range p.all {
		if at.known && !at.beside {
			cursors[at.channel] = at.at.String()
		}
	}
	return cursors
}
