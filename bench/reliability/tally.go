package main

import (
	"fmt"
	"strings"
	"sync"
	"time"
)

// A tally is told what was published and what each reader got, in order and
// when, and judges it: the same for all servers. It is safe for concurrent use.
type tally struct {
	mu       sync.Mutex
	channels [][]publication // number n of a channel is at n-1
	readers  []*log
}

// A publication is a message that a publisher tried to publish.
type publication struct {
	tried   time.Time
	outcome outcome
}

// outcome is what a publisher knows of its message.
type outcome int

const (
	unknown outcome = iota // no answer came: it counts for nothing
	acknowledged
)

// A log is what one reader saw.
type log struct {
	channel int
	live    bool
	from    int // numbers up to this were published before it was first live
	highest int // number that it got
	events  []event
	strange []string // what no story of messages explains
}

// An event is a message, by its number, or a notice that something may be
// missing.
type event struct {
	at     time.Time
	number int    // 0: a notice
	told   string // the notice
}

// newTally returns the tally of so many channels and readers; reader i reads
// channel i modulo channels.
func newTally(channels, readers int) *tally {
	t := &tally{channels: make([][]publication, channels)}
	for i := range readers {
		t.readers = append(t.readers, &log{channel: i % channels})
	}
	return t
}

// try begins a publish, and returns the number of its message.
func (t *tally) try(channel int) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.channels[channel] = append(t.channels[channel], publication{tried: time.Now()})
	return len(t.channels[channel])
}

// acknowledge says that the server answered that it has the message.
func (t *tally) acknowledge(channel, number int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.channels[channel][number-1].outcome = acknowledged
}

// live says that a reader reads: what is published from now on is expected.
// Only its first time counts.
func (t *tally) live(reader int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r := t.readers[reader]; !r.live {
		r.live, r.from = true, len(t.channels[r.channel])
	}
}

// text is the data of a message: its channel and number, and so many bytes.
func text(channel, number, size int) string {
	head := fmt.Sprintf("c%d %d ", channel, number)
	return head + strings.Repeat("x", max(0, size-len(head)))
}

// got says that a message came to a reader.
func (t *tally) got(reader int, data string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.readers[reader]
	var channel, number int
	if _, err := fmt.Sscanf(data, "c%d %d ", &channel, &number); err != nil || channel != r.channel || number < 1 || number > len(t.channels[channel]) {
		r.strange = append(r.strange, fmt.Sprintf("a message that nobody published: %.60q", data))
		return
	}
	r.events = append(r.events, event{at: time.Now(), number: number})
	r.highest = max(r.highest, number)
}

// told says that a reader was told that something may be missing here.
func (t *tally) told(reader int, what string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.readers[reader]
	r.events = append(r.events, event{at: time.Now(), told: what})
}

// strange says that a reader saw what should not be.
func (t *tally) strange(reader int, what string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.readers[reader].strange = append(t.readers[reader].strange, what)
}

// idle returns how many readers were never live.
func (t *tally) idle() (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range t.readers {
		if !r.live {
			n++
		}
	}
	return n
}

// reached reports whether each reader has got the last message of its channel
// that was acknowledged, or a later one.
func (t *tally) reached() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range t.readers {
		if r.highest < last(t.channels[r.channel]) {
			return false
		}
	}
	return true
}

// last returns the number of the last message that was acknowledged.
func last(messages []publication) int {
	for i := len(messages) - 1; i >= 0; i-- {
		if messages[i].outcome == acknowledged {
			return i + 1
		}
	}
	return 0
}
