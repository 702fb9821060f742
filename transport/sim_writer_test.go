package transport

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"strings"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/ledger"
	"github.com/pabal/pabal/internal/sim"
)

// A simWriter publishes one thing after the other. What it does not know the
// outcome of, it repeats, with its IDs, before anything else.
type simWriter struct {
	world   *simWorld
	name    string
	pending *simSending // under way
	unknown *simSending
	known   *simSending // to be repeated for no reason

	socket *simLine // nil: there is none
	lines  int      // how many there were
}

// A simSending is a publish on its way, or the closing or deletion of a
// channel.
type simSending struct {
	channel string
	publish pabal.Publish
	try     *ledger.Publish
	remove  bool
	since   time.Time
	tries   int
	by      *simLine      // nil: it goes by a request
	answer  chan struct{} // closed when there is one
	cut     func()
	done    pabal.Appended
	err     error
}

func (s *simSending) String() string {
	switch {
	case s.remove:
		return "delete " + s.channel
	case s.publish.Close:
		return "close " + s.channel
	}
	text := ""
	for i := range s.publish.Messages {
		token, _, _ := strings.Cut(string(s.publish.Messages[i].Data), " ")
		text += " " + token
	}
	return "publish" + text + " to " + s.channel
}

func (p *simWriter) publish(n *simNode, a sim.Action) {
	if p.pending != nil || p.unknown != nil {
		return
	}
	s := &simSending{channel: pick(a, 2, simChannels)}
	var messages []ledger.Message
	batch := []int{1, 1, 1, 4}[a.N[3]%4]
	if s.channel == "lossy" { // of whose batches this broker may lose a part, unlike one that commits each whole
		batch = 1
	}
	for range batch {
		p.world.tokens++
		token := fmt.Sprintf("%s.%d", p.name, p.world.tokens)
		size := []int{0, 0, 30, 700, 9000}[(a.N[3]>>8)%5]
		data := []byte(token + " " + strings.Repeat("<é>", size/4))
		m := pabal.Message{ID: token, Data: data}
		if s.channel == "latest" {
			m.Key = string(rune('a' + p.world.tokens%3))
		}
		s.publish.Messages = append(s.publish.Messages, m)
		messages = append(messages, ledger.Message{Token: token, Key: m.Key, Sum: maphash.Bytes(simSum, data)})
	}
	var err error
	s.try, err = p.world.ledger.Log(s.channel).Try("", messages...)
	p.world.check(err)
	p.send(n, s, a)
}

// again repeats what is not known to be done, or what is.
func (p *simWriter) again(n *simNode, a sim.Action) {
	p.giveUp()
	switch {
	case p.pending != nil:
	case p.unknown != nil:
		p.send(n, p.unknown, a)
	case p.known != nil && a.N[2]%2 == 0:
		p.send(n, p.known, a)
	}
}

// giveUp gives up what was sent so long ago that its channel may have forgotten
// it, and then does not know that it is a repeat.
func (p *simWriter) giveUp() {
	old := func(s *simSending) bool {
		return s != nil && s.channel == "aged" && time.Since(s.since) > 40*time.Second
	}
	if old(p.unknown) {
		p.unknown = nil
	}
	if old(p.known) {
		p.known = nil
	}
}

func (p *simWriter) close(n *simNode, ch string, a sim.Action) {
	if p.pending == nil && p.unknown == nil {
		p.send(n, &simSending{channel: ch, publish: pabal.Publish{Close: true}}, a)
	}
}

func (p *simWriter) remove(n *simNode, ch string, a sim.Action) {
	for _, other := range p.world.writers { // so that it is known what was deleted
		if other.pending != nil || other.unknown != nil {
			return
		}
	}
	for _, c := range p.world.gate.Waiting() { // of who was cut off
		if strings.Contains(c.What, "append to "+ch) {
			return
		}
	}
	p.world.ledger.Log(ch).Deleting()
	p.send(n, &simSending{channel: ch, remove: true}, a)
	p.world.settle()
}

// send has s go to n, by the way that follows from a.
func (p *simWriter) send(n *simNode, s *simSending, a sim.Action) {
	road := s.road(simRoads[int(a.N[3]>>16)%len(simRoads)])
	p.world.say("%s asks %s, by %s: %s", p.name, n.name, road, s)
	if s.publish.Close {
		p.world.ledger.Log(s.channel).Closing()
	}
	if s.since.IsZero() {
		s.since = time.Now()
	}
	s.tries++
	p.pending, s.done, s.err, s.by = s, pabal.Appended{}, nil, nil
	ctx, cut := context.WithCancel(context.Background())
	s.cut = cut
	if strings.Contains(road, "WebSocket") {
		s.by = p.line(n, road, s)
		s.by.say(s)
		return
	}
	answer := make(chan struct{})
	s.answer = answer
	go func() {
		switch {
		case road != "the hub":
			s.post(ctx, n, road)
		case s.remove:
			s.err = n.h.Hub.Delete(ctx, pabal.Grant{}, pabal.Channel(s.channel))
		default:
			s.done, s.err = n.h.Hub.Publish(ctx, pabal.Grant{}, pabal.Channel(s.channel), s.publish)
		}
		close(answer)
	}()
}

// leave has p be cut off from who is to answer it.
func (p *simWriter) leave() {
	p.hangUp()
	if s := p.pending; s != nil && !s.remove {
		p.world.say("%s is cut off", p.name)
		s.cut()
	}
}

// answered reports whether there is an answer to s, or there will be none.
func (p *simWriter) answered(s *simSending) bool {
	if s.by != nil && s.by != p.socket {
		s.err = errNobodyKnows
		return true
	}
	if s.by != nil {
		return s.by.hear(s)
	}
	select {
	case <-s.answer:
		return true
	default:
		return false
	}
}

// hear takes the answer, if there is one.
func (p *simWriter) hear() {
	s := p.pending
	if s == nil && p.socket != nil {
		p.socket.hear(nil)
	}
	if s == nil || !p.answered(s) {
		return
	}
	s.cut()
	p.pending, p.unknown = nil, nil
	log := p.world.ledger.Log(s.channel)
	switch {
	case errors.Is(s.err, errWrongAnswer):
		p.world.fail("%s: %s: %v", p.name, s, s.err)
	case errors.Is(s.err, pabal.ErrClosed):
		p.world.say("%s: %s is closed", p.name, s.channel)
		p.known = nil
		if s.try != nil {
			p.world.check(s.try.Refused())
		}
	case s.err != nil:
		p.world.say("%s does not know whether it did: %s (%v)", p.name, s, s.err)
		if s.by == nil || !s.by.ask.raw() {
			p.unknown = s
		}
	case s.remove:
		p.world.say("%s has deleted %s", p.name, s.channel)
		log.Deleted()
	case s.publish.Close:
		p.world.say("%s has closed %s at %s", p.name, s.channel, s.done.End)
		log.Closed()
	default:
		p.acknowledged(s)
	}
}

func (p *simWriter) acknowledged(s *simSending) {
	var cursors []string
	for _, at := range s.done.Positions {
		cursors = append(cursors, at.String())
	}
	p.world.say("%s: %s, at %s%s", p.name, s, strings.Join(cursors, " "), map[bool]string{true: ", had been done before"}[s.done.Duplicate])
	p.world.check(s.try.Acknowledged(s.done.Duplicate, cursors...))
	if s.by == nil || !s.by.ask.raw() {
		p.known = s
	}
}

// mend has p know what became of what it did.
func (p *simWriter) mend(n *simNode) {
	p.giveUp()
	if p.pending == nil && p.unknown != nil {
		p.send(n, p.unknown, sim.Action{})
	}
}
