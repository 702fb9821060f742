package main

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// A verdict is what a tally finds, over all readers.
type verdict struct {
	Published  int `json:"published"` // acknowledged
	Unknown    int `json:"unknown"`   // publishes whose outcome is not known: they count for nothing else
	Expected   int `json:"expected"`  // deliveries
	Delivered  int `json:"delivered"`
	Lost       int `json:"lost"`       // passed over: what came after them was delivered, they never were
	Silent     int `json:"silent"`     // of these, those of which the reader was told nothing
	Late       int `json:"late"`       // expected, and neither delivered nor passed over when the run ended
	Repeated   int `json:"repeated"`   // deliveries of what had been delivered
	Disordered int `json:"disordered"` // deliveries after that of a later message
	Gaps       int `json:"gaps"`       // notices that something may be missing
	Strange    int `json:"strange"`    // what no story of messages explains
	Behind     int `json:"behind"`     // readers that had not caught up when the run ended

	times
	Stories []string `json:"stories,omitempty"` // the first of what went wrong
}

// times are in seconds.
type times struct {
	CaughtUp float64 `json:"caughtUp"` // from the last fault until the last of those that caught up had
	P50      float64 `json:"p50"`      // from publish to delivery
	P99      float64 `json:"p99"`
}

// sound reports whether nothing was lost without a word, repeated or out of
// order, and all had caught up.
func (v *verdict) sound() bool {
	return v.Silent == 0 && v.Repeated == 0 && v.Disordered == 0 && v.Strange == 0 && v.Behind == 0 && v.Late == 0
}

// mostStories is how many stories a verdict keeps.
const mostStories = 12

// judge judges all that was said; the last fault ended at lifted.
func (t *tally) judge(lifted time.Time) *verdict {
	t.mu.Lock()
	defer t.mu.Unlock()
	v := &verdict{}
	for _, messages := range t.channels {
		for _, m := range messages {
			if m.outcome == acknowledged {
				v.Published++
			} else {
				v.Unknown++
			}
		}
	}
	var ages []float64
	for i, r := range t.readers {
		c := &trial{verdict: v, log: r, messages: t.channels[r.channel], name: fmt.Sprintf("reader %d of c%d", i, r.channel), first: map[int]time.Time{}}
		c.hear()
		c.missing()
		c.catchUp(lifted)
		ages = append(ages, c.ages...)
		v.Strange += len(r.strange)
		for _, s := range r.strange {
			c.story("%s", s)
		}
	}
	slices.Sort(ages)
	v.P50, v.P99 = quantile(ages, 0.5), quantile(ages, 0.99)
	return v
}

// quantile returns that of sorted values.
func quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(math.Ceil(q*float64(len(sorted))))-1)]
}

// A trial judges one reader.
type trial struct {
	*verdict
	*log
	name     string
	messages []publication
	first    map[int]time.Time // when each acknowledged message came first
	ages     []float64
	holes    [][2]int // what was told: that something may be missing between two numbers
}

func (c *trial) story(format string, args ...any) {
	if len(c.Stories) < mostStories {
		c.Stories = append(c.Stories, c.name+": "+fmt.Sprintf(format, args...))
	}
}

// known reports whether a number counts.
func (c *trial) known(number int) bool { return c.messages[number-1].outcome == acknowledged }

// hear goes through what came, in order.
func (c *trial) hear() {
	highest, open := 0, 0
	for _, e := range c.events {
		switch {
		case e.number == 0:
			c.Gaps++
			c.holes = append(c.holes, [2]int{highest, math.MaxInt})
			continue
		case c.known(e.number):
			c.take(e, highest)
		}
		if e.number > highest {
			for ; open < len(c.holes); open++ { // notices end at what follows them
				c.holes[open][1] = e.number
			}
			highest = e.number
		}
	}
}

// take takes a message that was acknowledged; the highest number before it is
// given.
func (c *trial) take(e event, highest int) {
	if _, had := c.first[e.number]; had {
		c.Repeated++
		c.story("%d came again, after %d", e.number, highest)
		return
	}
	c.first[e.number] = e.at
	c.ages = append(c.ages, e.at.Sub(c.messages[e.number-1].tried).Seconds())
	if e.number < highest {
		c.Disordered++
		c.story("%d came after %d", e.number, highest)
	}
	if e.number > c.from {
		c.Delivered++
	}
}

// missing goes through what was to come. What is after the last that came may
// still come.
func (c *trial) missing() {
	begin := 0 // of a row of silent losses
	for number := c.from + 1; number <= len(c.messages)+1; number++ {
		silent := false
		if number <= len(c.messages) && c.known(number) {
			c.Expected++
			if _, had := c.first[number]; !had && number > c.highest {
				c.Late++
			} else if !had {
				c.Lost++
				silent = !slices.ContainsFunc(c.holes, func(h [2]int) bool { return h[0] < number && number < h[1] })
			}
		}
		switch {
		case silent:
			c.Silent++
			if begin == 0 {
				begin = number
			}
		case begin > 0:
			c.story("%d to %d never came, and nothing was said of it", begin, number-1)
			begin = 0
		}
	}
}

// catchUp finds when the reader had all that was published up to lifted and
// that it ever got, and the first message after that, which shows that it reads
// again.
func (c *trial) catchUp(lifted time.Time) {
	goal := next(c.messages, lifted)
	if goal <= c.from {
		return
	}
	var at time.Time
	reached := false
	for _, e := range c.events {
		if e.number >= goal && !reached {
			reached = true
			at = later(at, e.at)
		}
		if e.number > 0 && e.number <= goal && c.first[e.number].Equal(e.at) {
			at = later(at, e.at)
		}
	}
	if !reached {
		c.Behind++
		c.story("never came to %d, which was published when the faults had ended", goal)
		return
	}
	c.CaughtUp = max(c.CaughtUp, at.Sub(lifted).Seconds())
}

// next returns the number of the first message that was tried after then and
// acknowledged, or else of the last.
func next(messages []publication, then time.Time) int {
	for i, m := range messages {
		if m.outcome == acknowledged && m.tried.After(then) {
			return i + 1
		}
	}
	return last(messages)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
