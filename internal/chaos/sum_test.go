package chaos

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/pabal/pabal/internal/ledger"
)

// weigh holds how much memory l has had against what it may have: 64 MiB for
// a server and its store, with a cache of 32 MiB, and 64 KiB for each reader;
// twice, since the collector lets memory grow to twice of what is in use.
func (w *world) weigh(l *life) error {
	got, err := peakMemory(l.ID())
	if err != nil {
		return nil // there is no way to know it here
	}
	w.rss.Store(max(w.rss.Load(), got))
	if most := 2 * (64<<20 + int64(w.size)*64<<10); got > most {
		return fmt.Errorf("life %d of the server has had %d MiB of memory, want %d at most for %d readers", l.number, got>>20, most>>20, w.size)
	}
	return nil
}

// emptied waits until the server has no reader any more, all having left and
// nothing being half open.
func (c *crew) emptied(l *life) error {
	client, base := c.world.direct(l)
	defer client.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for {
		text, err := do(ctx, client, http.MethodGet, base+"/metrics", nil, nil)
		_, rest, found := strings.Cut(string(text), "\npabal_readers ")
		count, _, _ := strings.Cut(rest, "\n")
		switch {
		case found && count == "0":
			return nil
		case !pause(ctx, 50*time.Millisecond):
			return fmt.Errorf("all have left, and after 10 s the server has %s readers: %w", count, errors.Join(err, ctx.Err()))
		}
	}
}

// happened says that the trouble that there was to be was there. Else nothing
// of this would mean anything.
func (c *crew) happened() error {
	var cuts, halfOpen int
	for _, r := range c.world.routes {
		s := r.proxy.Stats()
		cuts, halfOpen = cuts+s.Cuts, halfOpen+s.HalfOpen
	}
	var silent, fallbacks int64
	for _, f := range c.followers {
		silent, fallbacks = silent+f.silent.Load(), fallbacks+f.fallbacks.Load()
	}
	if n := c.conductor; n.kills == 0 || n.stops == 0 || cuts == 0 || halfOpen == 0 || silent == 0 || fallbacks == 0 {
		return errors.New("some of the trouble has not come about")
	}
	return nil
}

// compare counts, beside the judge: of a log that keeps all, each of its
// readers has to have got as many entries as there are.
func (c *crew) compare() error {
	if lost, repeated := c.differences(); lost+repeated > 0 {
		return fmt.Errorf("%d entries were not delivered, and %d too often, by number", lost, repeated)
	}
	return nil
}

func (c *crew) differences() (lost, repeated int) {
	for _, f := range c.followers {
		want := 0
		for _, ch := range f.place.Channels {
			if c.rules[ch] != (ledger.Rules{}) {
				want = -1
				break
			}
			want += c.sizes[ch]
		}
		if got := int(f.taken.Load()); want >= 0 {
			lost += max(0, want-got)
			repeated += max(0, got-want)
		}
	}
	return lost, repeated
}

// summary is what happened, in a few lines.
func (c *crew) summary() string {
	var taken, told, silent, fallbacks, legs int64
	for _, f := range c.followers {
		taken += f.taken.Load()
		told += f.told.Load()
		silent += f.silent.Load()
		fallbacks += f.fallbacks.Load()
		legs += f.legs.Load()
	}
	var connections, cuts, halfOpen, peak int
	for _, r := range c.world.routes {
		s := r.proxy.Stats()
		connections += s.Connections
		cuts += s.Cuts
		halfOpen += s.HalfOpen
		peak = max(peak, s.PeakPerSecond)
	}
	verdict := "not counted, as it did not come to its end"
	if len(c.sizes) > 0 {
		lost, repeated := c.differences()
		verdict = fmt.Sprintf("lost %d, repeated %d", lost, repeated)
	}
	n, counts := c.conductor, c.ledger.Counts()
	return fmt.Sprintf("%d readers, %v; %d kills, %d stops, %d times without descriptors\n"+
		"\tconnections: %d, %d cut, %d half open, at most %d a second on a route\n"+
		"\tpublishes: %d acknowledged, %d of unknown outcome, %d refused; entries: %d known, %d of them only since a restart, %d repeats found out, %d taken back by a crash (of interval/a and never/a, which may be)\n"+
		"\treaders: %d responses, %d entries, %d notices of something missing (small/a keeps 10 entries), %d times silent, %d times by long poll instead\n"+
		"\t%s; all had caught up after %v at most; memory at most %d MiB",
		len(c.followers), time.Since(c.world.story.begun).Round(time.Second), n.kills, n.stops, n.starved, connections, cuts, halfOpen, peak,
		c.tally.acknowledged.Load(), c.tally.unknown.Load(), c.tally.refused.Load(), counts.Known, counts.Found, counts.Duplicates, counts.Lost,
		legs, taken, told, silent, fallbacks, verdict, c.slowest.Round(time.Millisecond), c.world.rss.Load()>>20)
}

// tail returns the end of the server's log, without what only says that a
// connection was cut, or could not be made.
func tail(log string) string {
	text, err := os.ReadFile(log)
	if err != nil {
		return err.Error()
	}
	var lines []string
	for line := range strings.Lines(string(text)) {
		if !strings.Contains(line, "TLS handshake error") && !strings.Contains(line, "Accept error") && !strings.Contains(line, `msg="reader closed"`) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines[max(0, len(lines)-40):], "")
}
