package disk

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/pabal/pabal"
)

// The power fails between any two operations of the file system: what was not
// synced is there, or not, file by file and block by block as the seed says.
func TestPowerLoss(t *testing.T) {
	for seed := range uint64(30) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			p := &power{T: t, random: rand.New(rand.NewPCG(seed, 1)), fs: vfs.NewCrashableMem(), logs: map[pabal.Channel]*truth{}}
			for i := range 3 {
				for _, kind := range []string{"always", "interval", "never"} {
					ch := pabal.Channel(fmt.Sprint(kind, "/", i))
					p.logs[ch] = &truth{channel: ch, given: map[pabal.Position]string{}}
				}
			}
			for range 4 {
				p.live()
			}
			b := p.open()
			p.check(b)
			if err := b.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
			t.Logf("%d entries were lost", p.lost)
		})
	}
}

// power is a machine whose power fails.
type power struct {
	*testing.T
	random *rand.Rand
	fs     *vfs.MemFS
	logs   map[pabal.Channel]*truth
	serial int
	lost   int
}

// truth is what is known of one log. Of what was shown, always is all kept.
type truth struct {
	channel pabal.Channel
	mu      sync.Mutex
	shown   []*pabal.Entry            // by a tail, in this life
	acked   []*pabal.Entry            // positions and IDs that publishers were told
	given   map[pabal.Position]string // what was ever shown where
	highest pabal.Offset              // ever given out
}

func (p *power) open() *Broker {
	p.Helper()
	b, err := open(Config{
		Dir: "data", Cache: 1 << 20, SyncInterval: 1 << 20,
		Rules: func(ch pabal.Channel) Rules {
			r := Rules{Sync: SyncAlways}
			switch ch[0] {
			case 'i':
				r.Sync = SyncInterval
			case 'n':
				r.Sync = SyncNever
			}
			return r
		},
	}, p.fs)
	if err != nil {
		p.Fatalf("open after a crash: %v", err)
	}
	return b
}

// live opens the store, holds it against what is known, and publishes from
// several goroutines until the power fails.
func (p *power) live() {
	b := p.open()
	p.check(b)
	ctx, cancel := context.WithCancel(p.Context())
	var publishing sync.WaitGroup
	var done atomic.Int64
	failAt := int64(p.random.IntN(400))
	failing := make(chan struct{})
	var once sync.Once
	for ch, l := range p.logs {
		if _, err := b.Tail(ctx, ch, l.show); err != nil {
			p.Fatalf("tail: %v", err)
		}
		p.serial++
		life := p.serial
		random := rand.New(rand.NewPCG(p.random.Uint64(), 2))
		publishing.Go(func() {
			for n := 0; ctx.Err() == nil && n < 1000; n++ {
				var m []pabal.Message
				for i := range 1 + random.IntN(3) {
					id := fmt.Sprintf("%d-%d-%d", life, n, i)
					m = append(m, pabal.Message{ID: id, Key: fmt.Sprint(random.IntN(5)), Data: []byte(id)})
				}
				at, err := b.Append(ctx, ch, pabal.Publish{Messages: m})
				if err != nil {
					if !errors.Is(err, context.Canceled) {
						p.Errorf("append: %v", err)
					}
					return
				}
				l.ack(m, at)
				if done.Add(1) == failAt {
					once.Do(func() { close(failing) })
				}
			}
			once.Do(func() { close(failing) })
		})
	}
	if failAt > 0 {
		<-failing
	}
	for _, l := range p.logs {
		l.mu.Lock() // nothing is told any more that the clone does not know
	}
	next := p.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: p.random.IntN(101), RNG: p.random})
	shown := map[pabal.Channel]int{}
	acked := map[pabal.Channel]int{}
	for ch, l := range p.logs {
		shown[ch], acked[ch] = len(l.shown), len(l.acked)
		l.mu.Unlock()
	}
	cancel()
	publishing.Wait()
	b.running.crash = true
	if err := b.Close(); err != nil {
		p.Errorf("close: %v", err)
	}
	p.fs = next
	for ch, l := range p.logs { // what came after the power had failed never was
		l.shown, l.acked = l.shown[:shown[ch]], l.acked[:acked[ch]]
	}
}

func (l *truth) show(e *pabal.Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e != nil {
		l.shown = append(l.shown, e)
	}
}

func (l *truth) ack(m []pabal.Message, done pabal.Appended) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, at := range done.Positions {
		l.acked = append(l.acked, &pabal.Entry{Epoch: at.Epoch, Offset: at.Offset, Message: m[i]})
	}
}

// check holds what the store has after a crash against what is known.
func (p *power) check(b *Broker) {
	p.Helper()
	for ch, l := range p.logs {
		page, err := b.Read(p.Context(), ch, pabal.Query{MaxEntries: 1 << 20, MaxBytes: 1 << 30})
		if err != nil {
			p.Fatalf("read: %v", err)
		}
		have := map[pabal.Position]string{}
		var last pabal.Offset
		for _, e := range page.Entries {
			if e.Offset <= last || have[e.Position()] != "" {
				p.Fatalf("%s: offset %d follows %d", ch, e.Offset, last)
			}
			if was := l.given[e.Position()]; was != "" && was != e.ID {
				p.Fatalf("%s: at %v was %s, and is %s", ch, e.Position(), was, e.ID)
			}
			have[e.Position()], last = e.ID, e.Offset
		}
		for _, e := range append(l.shown, l.acked...) {
			if was := l.given[e.Position()]; was != "" && was != e.ID {
				p.Fatalf("%s: %v was given to %s and to %s", ch, e.Position(), was, e.ID)
			}
			l.given[e.Position()] = e.ID
			l.highest = max(l.highest, e.Offset)
			p.checkShown(b, l, e, have[e.Position()] == e.ID)
		}
		l.shown, l.acked = nil, nil
		if page.End.Offset < l.highest {
			p.Fatalf("%s ends at %v, and offset %d was given out", ch, page.End, l.highest)
		}
	}
}

// checkShown holds e, which was shown or acknowledged, against the log.
func (p *power) checkShown(b *Broker, l *truth, e *pabal.Entry, there bool) {
	p.Helper()
	if !there && l.channel[0] == 'a' {
		p.Fatalf("%s: %v, %s, was acknowledged or shown, and is not there", l.channel, e.Position(), e.ID)
	}
	if !there {
		p.lost++
	}
	if p.random.IntN(16) > 0 {
		return
	}
	page, err := b.Read(p.Context(), l.channel, pabal.Query{From: pabal.After(e.Position()), MaxEntries: 1, MaxBytes: 1})
	if err != nil {
		p.Fatalf("read: %v", err)
	}
	if told := page.Lost != nil && page.Lost.Reason == pabal.Lost; told == there {
		p.Fatalf("%s: a reader at %v, which is there: %v, is told of %+v", l.channel, e.Position(), there, page.Lost)
	}
}
