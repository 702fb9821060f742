package readers

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A Place is where a reader of some channels stands: the cursor of each, as
// far as it is known, and the last vector that it was given. Its methods keep
// what they take in order, and drop what comes twice because one response was
// opened before another had ended.
type Place struct {
	Channels []string
	MayLose  bool              // $gap and $reset are taken; else they are errors
	Latest   bool              // $skipped is taken
	own      map[string]string // the cursor of each channel
	last     map[string]string // of the last entry that was taken
	vector   string
	then     map[string]string // own, when vector was given
	moved    bool              // then is said in another epoch than vector
	skip     map[string]string // what comes up to this cursor is an overlap
}

// NewPlace returns the place of a reader that has yet to begin.
func NewPlace(channels ...string) *Place {
	return &Place{Channels: channels, own: map[string]string{}, last: map[string]string{}, skip: map[string]string{}}
}

// Epoch returns the part of a cursor that names the epoch.
func Epoch(cursor string) string {
	epoch, _, _ := strings.Cut(cursor, "-")
	return epoch
}

// Cursor returns the cursor of channel, or "".
func (p *Place) Cursor(channel string) string { return p.own[channel] }

// A Mark is where a response was asked to begin.
type Mark struct{ own map[string]string }

// Cursors returns where to go on: the vector if that is all there is, or is
// wanted and not from before a new epoch; else a cursor for each channel; nil
// if neither is known.
func (p *Place) Cursors(vector bool) ([]string, Mark) {
	var each []string
	for _, ch := range p.Channels {
		if p.own[ch] != "" {
			each = append(each, p.own[ch])
		}
	}
	switch {
	case p.vector != "" && (vector && !p.moved || len(each) < len(p.Channels)):
		return []string{p.vector}, Mark{maps.Clone(p.then)}
	case len(each) == len(p.Channels):
		return each, Mark{maps.Clone(p.own)}
	}
	return nil, Mark{}
}

// Stale reports whether the place has gone on since m, or is another after a
// crash to which the vector does not belong.
func (p *Place) Stale(m Mark) bool { return p.moved || !maps.Equal(m.own, p.own) }

// Broken reports whether the place has gone on since m in a way that leaves a
// response asked for at m of no use: to another epoch, or past a hole, so that
// there is no entry at which an overlap ends.
func (p *Place) Broken(m Mark) bool {
	for _, ch := range p.Channels {
		at, own := m.own[ch], p.own[ch]
		if at != own && (Epoch(at) != Epoch(own) || p.last[ch] != own) {
			return true
		}
	}
	return false
}

// Begin says that what is taken from now on comes from a response that was
// asked for m.
func (p *Place) Begin(m Mark) {
	clear(p.skip)
	for _, ch := range p.Channels {
		if last := p.last[ch]; last != "" && m.own[ch] != p.own[ch] {
			p.skip[ch] = last
		}
	}
}

// Take notes it. It reports whether it is an entry that was not had before.
func (p *Place) Take(it Item) (fresh bool, err error) {
	switch it.Notice {
	case "$open":
		err = p.open(it)
	case "$skipped":
		if !p.Latest {
			return false, fmt.Errorf("an unexpected notice: %+v", it)
		}
	case "$live", "$closed":
		if p.skip[it.Channel] != "" && it.Notice == "$live" {
			return false, nil // the end, when the response was opened
		}
		if err = p.agree(it.Channel, it.Cursor); it.Cursor != "" {
			p.own[it.Channel] = it.Cursor
		}
	case At:
		if it.Cursor != "" && len(p.skip) == 0 {
			err = p.agree(p.Channels[0], it.Cursor)
			p.own[p.Channels[0]] = it.Cursor
		}
	case "":
		if fresh = p.pass(it); fresh {
			p.own[it.Channel], p.last[it.Channel] = it.Cursor, it.Cursor
		}
	case "$gap", "$reset":
		if !p.MayLose {
			return false, fmt.Errorf("an unexpected notice: %+v", it)
		}
		if p.skip[it.Channel] != "" {
			p.gapInOverlap(it)
			break
		}
		err = p.agree(it.Channel, it.From)
		p.own[it.Channel] = it.Cursor
	default:
		return false, fmt.Errorf("an unexpected notice: %+v", it)
	}
	if it.Vector != "" {
		p.vector, p.then, p.moved = it.Vector, maps.Clone(p.own), false
		for ch := range p.skip {
			p.then[ch] = "before the overlap"
		}
	}
	return fresh, err
}

// gapInOverlap takes a notice of something missing that begins before where the
// reader stands: if it ends there or later, the overlap is over.
func (p *Place) gapInOverlap(it Item) {
	if compareOffsets(it.Cursor, p.own[it.Channel]) < 0 {
		return
	}
	p.own[it.Channel] = it.Cursor
	delete(p.skip, it.Channel)
}

// compareOffsets compares how far two cursors of a channel are, in whatever
// epochs, which no client can do.
func compareOffsets(a, b string) int {
	_, a, _ = strings.Cut(a, "-")
	_, b, _ = strings.Cut(b, "-")
	return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
}

// pass reports whether the entry it is after the overlap.
func (p *Place) pass(it Item) bool {
	last := p.skip[it.Channel]
	if last == "" {
		return true
	}
	if it.Cursor == last {
		delete(p.skip, it.Channel)
	}
	return false
}

// open takes the $open of a response: it must begin where it was asked to.
func (p *Place) open(it Item) error {
	channels, cursors := it.Channels, it.Cursors
	if it.Channel != "" && it.Cursor != "" {
		channels, cursors = []string{it.Channel}, []string{it.Cursor}
	}
	if len(channels) == 0 && it.Vector != "" { // a page says no more
		return nil
	}
	if !slices.Equal(channels, p.Channels) || len(cursors) != len(channels) {
		return fmt.Errorf("$open of %v at %v, want %v", channels, cursors, p.Channels)
	}
	for i, ch := range channels {
		if p.skip[ch] != "" {
			continue
		}
		if err := p.agree(ch, cursors[i]); err != nil {
			return err
		}
		p.own[ch] = cursors[i]
	}
	return nil
}

// agree reports that a notice says the reader stands elsewhere than it does.
// The end of one epoch may be the beginning of the next, if a reader may lose
// something.
func (p *Place) agree(ch, cursor string) error {
	if p.Latest && cursor != "" { // what it does not get lies before
		p.own[ch] = cursor
		return nil
	}
	if at := p.own[ch]; at != "" && cursor != "" && at != cursor {
		if p.MayLose && Epoch(at) != Epoch(cursor) {
			p.own[ch] = cursor
			if p.then[ch] == at { // the vector is from there, too: nothing lies between
				p.then[ch], p.moved = cursor, true
			}
			return nil
		}
		return fmt.Errorf("channel %s: the server says %s, the reader stands at %s", ch, cursor, at)
	}
	return nil
}
