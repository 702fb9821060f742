package ledger

import (
	"fmt"
	"slices"
)

// Hold holds what the log is after a restart against what is known: entries
// are all after the cursor from, or all if that is empty.
func (g *Log) Hold(from string, entries []Entry, closed bool) error {
	g.ledger.mu.Lock()
	defer g.ledger.mu.Unlock()
	low := uint64(0)
	if from != "" {
		var err error
		if low, err = offset(from); err != nil {
			return err
		}
	}
	page := make([]*record, 0, len(entries))
	last := low
	known := len(g.order)
	for i := range entries {
		r, err := g.note(entries[i].Cursor, entries[i].Token, entries[i].Sum)
		if err != nil {
			return fmt.Errorf("after the restart: %w", err)
		}
		if r.offset <= last {
			return fmt.Errorf("%s: after the restart %v comes after offset %d", g.name, r, last)
		}
		last = r.offset
		page = append(page, r)
	}
	g.counts.Found += len(g.order) - known
	if err := g.missing(low, page); err != nil {
		return err
	}
	if closed && g.closed == no || !closed && g.closed == yes && !g.rules.Lossy && !g.rules.Ages {
		return fmt.Errorf("%s: after the restart its being closed is %v", g.name, closed)
	}
	g.closed = no
	if closed {
		g.closed = yes
	}
	if err := g.neighbours(low, page); err != nil {
		return err
	}
	g.held = g.highest
	return nil
}

// missing judges what is known to be after low, and not in page.
func (g *Log) missing(low uint64, page []*record) error {
	var known, front, back []*record
	in := make(map[*record]bool, len(page))
	for _, r := range page {
		in[r] = true
	}
	for _, r := range g.order[g.after(low):] {
		switch {
		case r.gone():
		case in[r]:
			known = append(known, r)
		case len(known) == 0 && len(page) > 0 && r.offset < page[0].offset:
			front = append(front, r)
		case len(page) > 0 && r.offset < page[len(page)-1].offset:
			return fmt.Errorf("%s: after the restart %v is missing, and later ones are there", g.name, r)
		default:
			back = append(back, r)
		}
	}
	life := g.ledger.life
	switch {
	case g.deleting && len(page) == 0:
		g.clear() // or it was empty before; who tried to delete it will tell
		g.deleting, g.closed = true, maybe
		return nil
	case len(back) > 0 && g.rules.Ages && len(page) == 0:
		front, back = append(front, back...), nil
	case len(back) > 0 && !g.rules.Lossy:
		return fmt.Errorf("%s: after the restart %v is lost, and %d more after it", g.name, back[0], len(back)-1)
	case len(front) > 0 && !g.rules.Ages && (g.rules.Keep == 0 || len(page) < g.rules.Keep):
		return fmt.Errorf("%s: after the restart %v is gone from the front, though only %d are kept", g.name, front[0], len(page))
	case g.rules.Keep > 0 && len(page) > g.rules.Keep:
		return fmt.Errorf("%s: after the restart %d are kept, %d at most should be", g.name, len(page), g.rules.Keep)
	}
	for _, r := range front {
		r.trimmed = life
	}
	for _, r := range back {
		r.lost, r.message.at = life, nil
		g.counts.Lost++
	}
	return nil
}

// neighbours holds those of page that were not looked at yet against what
// their publishers asked: that a batch be whole and together, and that a log
// end where a condition says.
func (g *Log) neighbours(low uint64, page []*record) error {
	for i, r := range page {
		if r.offset <= g.held {
			continue
		}
		before := low
		if i > 0 {
			before = page[i-1].offset
		}
		m := r.message
		p := m.of
		if p.asked && m.index == 0 && (p.after < before || p.after >= r.offset) {
			return fmt.Errorf("%s: %v was to follow offset %d, and follows %d", g.name, r, p.after, before)
		}
		if first := i == 0 && g.rules.Keep > 0; m.index > 0 && !first && (i == 0 || page[i-1].message != p.messages[m.index-1]) {
			return fmt.Errorf("%s: before %v its batch is torn", g.name, r)
		}
		if m.index < len(p.messages)-1 && (i == len(page)-1 || page[i+1].message != p.messages[m.index+1]) {
			return fmt.Errorf("%s: after %v its batch is torn", g.name, r)
		}
	}
	return nil
}

// HoldLatest holds the last entry of each key, which the store says they are
// after a restart, against what is known. It comes before Hold.
func (g *Log) HoldLatest(entries []Entry) error {
	g.ledger.mu.Lock()
	defer g.ledger.mu.Unlock()
	for _, e := range entries {
		if _, err := g.note(e.Cursor, e.Token, e.Sum); err != nil && !g.isTrimmed(e) {
			return fmt.Errorf("after the restart: %w", err)
		}
	}
	var want []string
	keys := map[string]bool{}
	for _, r := range slices.Backward(g.order) {
		if key := r.message.Key; !keys[key] && r.lost+r.deleted == 0 {
			keys[key] = true
			want = append(want, r.cursor+" "+r.message.Token)
		}
	}
	slices.Reverse(want)
	var got []string
	for _, e := range entries {
		got = append(got, e.Cursor+" "+e.Token)
	}
	if !slices.Equal(got, want) {
		return fmt.Errorf("%s: after the restart the latest of each key are\n\t%q, want\n\t%q", g.name, got, want)
	}
	return nil
}

// isTrimmed reports whether e is gone from the log, so that only the last of
// its key may be there still.
func (g *Log) isTrimmed(e Entry) bool {
	m := g.messages[e.Token]
	return m != nil && m.at != nil && m.at.trimmed > 0 && m.at.cursor == e.Cursor && m.Sum == e.Sum
}
