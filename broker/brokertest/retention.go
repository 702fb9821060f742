package brokertest

import (
	"errors"
	"strings"

	"github.com/pabal/pabal"
)

var retentions = []promise{
	{name: "retention/entries", test: keepEntries},
	{name: "retention/a batch over the bound", test: keepBatch},
	{name: "retention/bytes", test: keepBytes},
	{name: "retention/an entry over the bound", test: keepLarge},
	{name: "retention/age", test: keepAge},
	{name: "retention/an empty channel", test: keepEmpty},
	{name: "retention/channels", test: keepChannels},
}

var (
	trimmed = []pabal.Reason{pabal.Trimmed}
	expired = []pabal.Reason{pabal.Expired}
	deleted = []pabal.Reason{pabal.Deleted}
	gone    = []pabal.Reason{pabal.Expired, pabal.Evicted} // an empty channel, of which no more may be known
)

// kept ends the test unless of the entries at at, which hold 0, 1, 2 …, only
// those from first on are kept, and the others are lost for one of reasons.
func (l log) kept(at []pabal.Position, first int, reasons []pabal.Reason) {
	l.x.Helper()
	want := numbered(first, len(at))
	page := l.holds(pabal.FromAll(), want...)
	l.holds(pabal.FromLast(len(at)), want...)
	l.holds(pabal.Before(page.End), want...)
	l.holds(pabal.After(page.First), want...)
	for i, p := range at {
		if i >= first-1 {
			l.holds(pabal.After(p), numbered(i+1, len(at))...)
			continue
		}
		lost := l.lost(p, reasons, want...)
		if lost.Lost.To != lost.Start || lost.Start != page.First {
			l.x.Fatalf("after %v: lost up to %v, start %v, want the first that is kept, %v, for both", p, lost.Lost.To, lost.Start, page.First)
		}
	}
}

func keepEntries(x *trial) {
	l := x.open(Options{Entries: 4})
	at := l.put(numbered(0, 4)...)
	l.kept(at, 0, nil)
	for i := 4; i < 20; i++ {
		at = append(at, l.put(numbered(i, i+1)...)...)
		l.kept(at, i-3, trimmed)
	}
	if got := len(l.at("other").read(pabal.FromAll()).Entries); got != 0 {
		x.Fatalf("another channel has %d entries", got)
	}
}

func keepBatch(x *trial) {
	l := x.open(Options{Entries: 4})
	at := l.append(texts(numbered(0, 3)...)).Positions
	at = append(at, l.append(texts(numbered(3, 12)...)).Positions...)
	l.kept(at, 8, trimmed)
}

func keepBytes(x *trial) {
	l := x.open(Options{Bytes: 5})
	at := l.put(numbered(0, 10)...) // of one byte each
	l.kept(at, 5, trimmed)
	at = append(at, l.put("10", "11")...)
	l.kept(at, 9, trimmed)
}

func keepLarge(x *trial) {
	l := x.open(Options{Bytes: 100})
	large := strings.Repeat("x", 500)
	at := l.put("a", large)
	l.holds(pabal.FromAll(), large)
	l.holds(pabal.After(at[0]), large)
	at = append(at, l.put("b")...)
	l.holds(pabal.FromAll(), "b")
	l.lost(at[0], trimmed, "b")
	l.append(texts("c", large))
	l.holds(pabal.FromAll(), large)
}

func keepAge(x *trial) {
	l := x.open(Options{Age: x.Unit})
	at := l.put(numbered(0, 3)...)
	x.pass(x.Unit * 5 / 8)
	at = append(at, l.put(numbered(3, 6)...)...)
	l.kept(at, 0, nil)
	x.pass(x.Unit * 5 / 8)
	l.kept(at, 3, expired)
	at = append(at, l.put("6")...)
	l.kept(at, 3, expired)
	x.pass(x.Unit * 5 / 8)
	l.kept(at, 6, expired)
}

func keepEmpty(x *trial) {
	l := x.open(Options{Age: x.Unit})
	never := l.at("never").end()
	at := l.put(numbered(0, 3)...)
	l.at("short").put("a")
	x.pass(3 * x.Unit)
	l.holds(pabal.FromAll())
	l.lost(at[0], gone)
	end := l.holds(pabal.After(at[2])).End
	at = append(at, l.put("3")...)
	if at[3].Epoch != at[2].Epoch || at[3].Offset <= at[2].Offset {
		x.Fatalf("after its entries had expired, a channel went on from %v at %v", at[2], at[3])
	}
	l.holds(pabal.After(end), "3")
	l.holds(pabal.After(at[2]), "3")
	l.lost(at[1], gone, "3")
	if first := l.at("never").put("x")[0]; first.Offset <= never.Offset {
		x.Fatalf("a name that ended at %v begins at %v", never, first)
	}
}

func keepChannels(x *trial) {
	l := x.open(Options{Channels: 2})
	at := l.put(numbered(0, 3)...)
	l.at("b").put("b")
	_, err := l.b.Append(x.ctx, "c", texts("c"))
	if limit := (*pabal.LimitError)(nil); !errors.As(err, &limit) || limit.Max != 2 || limit.Limit == "" {
		x.Fatalf("a third channel of two: got the error %v, want a LimitError", err)
	}
	l.holds(pabal.FromAll(), numbered(0, 3)...) // what is served stays
	l.delete()
	l.at("c").put("c")
	l.at("c").delete()
	reasons := []pabal.Reason{pabal.Evicted, pabal.Deleted}
	l.lost(at[1], reasons)
	l.lost(at[2], reasons)
	if again := l.put("new")[0]; again.Offset <= at[2].Offset {
		x.Fatalf("a channel that was evicted at %v begins again at %v", at[2], again)
	}
	l.lost(at[2], reasons, "new")
}
