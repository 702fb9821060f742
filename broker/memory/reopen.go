package memory

import (
	"maps"
	"slices"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/once"
)

// Reopen closes b and returns what comes back after a crash that lost the
// last n entries of each channel, by what lose says (nil means none): a broker
// with the same configuration and a new epoch, which remembers what survived of
// those before and begins above any offset they gave out. What else came after
// the entries that are lost is lost, too: that the log was closed, and the IDs.
// A batch may be cut, unlike by the crash of a store that commits each whole.
// It is for tests and simulations. The new broker must be closed.
func (b *Broker) Reopen(lose func(pabal.Channel) int) *Broker {
	_ = b.Close() // never fails
	b.mu.RLock()
	next := build(b.config, append(slices.Clone(b.life.lineage), past{b.life.epoch, b.floor}))
	next.floor = b.floor
	logs := maps.Clone(b.logs)
	b.mu.RUnlock()
	for ch, l := range logs {
		n := 0
		if lose != nil {
			n = lose(ch)
		}
		l.order.Lock() // appends under way are done before, or find that b is closed
		l.gone = true
		next.logs[ch] = l.reopen(next.life, n)
		l.order.Unlock()
	}
	// What earlier crashes lost is not among the IDs any more.
	b.ids.All(func(_ string, k once.Known) {
		if next.survived(k.Channel, k.End) {
			keep := next.retention(k.Channel)
			next.ids.Restore(k, &keep)
		}
	})
	next.every.Store(b.every.Load())
	next.due.Store(0)
	go next.run()
	return next
}

// reopen returns l without its last n entries.
func (l *log) reopen(in *life, n int) *log {
	next := newLog(in, l.channel, l.keep, 0)
	kept := l.entries.Len() - min(n, l.entries.Len())
	next.state = state{
		first: l.first, cut: l.cut, end: l.end, fresh: l.fresh, deleted: l.deleted,
		closed: l.closed && n <= 0, time: l.time, touched: l.touched, latest: latest{floor: l.latest.floor},
	}
	survivor := l.end
	if kept < l.entries.Len() {
		survivor = (*l.entries.At(kept)).Prev
	}
	for i := range in.lineage {
		s := survivor
		if i < len(in.lineage)-1 {
			s = min(s, l.survivor(i))
		}
		next.survivors = append(next.survivors, s)
	}
	for i := range l.latest.apart.Len() {
		if e := l.latest.apart.At(i).entry; e != nil {
			next.latest.add(e)
			next.latest.keepApart(e)
			in.bytes.Add(cost(e.Size()))
		}
	}
	for i := range kept {
		e := *l.entries.At(i)
		in.bytes.Add(cost(e.Size()))
		next.put(e)
	}
	next.loseKeys(l, kept)
	return next
}

// loseKeys sees to the keys whose last entry was lost and whose one before
// had made way for it: whoever reads the latest of each key lacks them.
func (l *log) loseKeys(old *log, kept int) {
	for i := kept; i < old.entries.Len() && l.keep.Latest; i++ {
		if l.latest.of((*old.entries.At(i)).Key) != nil {
			continue
		}
		for l.latest.apart.Len() > 0 {
			l.free(l.latest.drop())
		}
		l.latest.floor = max(l.latest.floor, l.first)
	}
}

// survivor returns the last offset that survived of the i-th epoch before.
func (l *log) survivor(i int) pabal.Offset {
	if i < len(l.survivors) {
		return l.survivors[i]
	}
	return l.life.lineage[i].floor
}

// place returns the offset that p stands at in the log, or where to go on
// instead and why.
func (l *log) place(p pabal.Position) (pabal.Offset, pabal.Reason) {
	if p.Epoch == l.life.epoch {
		if p.Offset > l.end {
			return l.end, pabal.Ahead
		}
		return p.Offset, ""
	}
	i := slices.IndexFunc(l.life.lineage, func(e past) bool { return e.epoch == p.Epoch })
	if i < 0 {
		return 0, pabal.Unknown
	}
	if s := l.survivor(i); p.Offset > s {
		return s, pabal.Lost
	}
	return p.Offset, ""
}

// survived reports whether what was published up to end is still there, or
// was until it was dropped for another reason than this crash. A channel that
// had been forgotten before had nothing to lose.
func (b *Broker) survived(ch pabal.Channel, end pabal.Position) bool {
	l := b.logs[ch]
	return l == nil || end.Offset <= l.survivors[len(l.survivors)-1]
}
