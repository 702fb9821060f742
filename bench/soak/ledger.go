package main

import (
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"github.com/pabal/pabal/internal/readers"
)

// A ledger is what was acknowledged to publishers, and what readers have had.
type ledger struct {
	channels  []*channel
	readers   []*reader
	counts    map[string]*counts // by technique
	published atomic.Int64
	delivered atomic.Int64
	shares    float64 // over all readers, the part of all entries that each reads
	expected  int64   // about how many will be delivered
	repeated  atomic.Int64
	unordered atomic.Int64
	altered   atomic.Int64
}

type counts struct{ delivered, breaks, hops atomic.Int64 }

// A channel's cells hold the hash of each entry's data, by offset: whoever
// knows it first, publisher or reader, sets it.
type channel struct {
	name         string
	cells        []atomic.Uint64
	acknowledged atomic.Int64
}

var hashSeed = maphash.MakeSeed()

func hash[T string | []byte](data T) uint64 { return max(1, maphash.String(hashSeed, string(data))) }

func newLedger(o *options) *ledger {
	l := &ledger{counts: map[string]*counts{}}
	for i := range o.channels {
		l.channels = append(l.channels, &channel{name: fmt.Sprintf("soak/%d", i), cells: make([]atomic.Uint64, o.entries+1)})
	}
	for _, t := range readers.All {
		l.counts[t.Name] = &counts{}
	}
	for i := range o.readers {
		r := l.newReader(o, i)
		l.readers = append(l.readers, r)
		l.shares += float64(len(r.places)) / float64(o.channels)
	}
	l.expected = int64(l.shares * float64(o.entries))
	return l
}

// lead returns how many entries publishers are ahead of the readers' average.
func (l *ledger) lead() int64 {
	return l.published.Load() - int64(float64(l.delivered.Load())/l.shares)
}

// check compares data with what others know to be at offset.
func (c *channel) check(offset int, data uint64) bool {
	if offset < 1 || offset >= len(c.cells) {
		return false
	}
	return c.cells[offset].CompareAndSwap(0, data) || c.cells[offset].Load() == data
}

func (c *channel) acknowledge(cursor, text string) error {
	c.acknowledged.Add(1)
	if at := offset(cursor); !c.check(at, hash(text)) {
		return fmt.Errorf("channel %s: readers have something else at the acknowledged cursor %s", c.name, cursor)
	}
	return nil
}

func offset(cursor string) int {
	_, text, _ := strings.Cut(cursor, "-")
	n, err := strconv.Atoi(text)
	if err != nil {
		return -1
	}
	return n
}

// A reader is how far one has come.
type reader struct {
	ledger *ledger
	random *rand.Rand
	places map[string]*place
	last   string // technique
}

type place struct {
	*channel
	seen []uint64 // a bit for each offset
	last int
	had  int64
}

func (l *ledger) newReader(o *options, number int) *reader {
	r := &reader{ledger: l, random: rand.New(rand.NewPCG(o.seed, 1<<32+uint64(number))), places: map[string]*place{}}
	n := []int{1, 1, min(2, o.channels), o.channels}[number%4]
	for _, i := range r.random.Perm(o.channels)[:n] {
		ch := l.channels[i]
		r.places[ch.name] = &place{channel: ch, seen: make([]uint64, o.entries/64+1)}
	}
	return r
}

// follower returns what reads for the reader of that number.
func (l *ledger) follower(number int, server *readers.Server) *readers.Follower {
	r := l.readers[number]
	var names []string
	for _, ch := range l.channels {
		if r.places[ch.name] != nil {
			names = append(names, ch.name)
		}
	}
	return &readers.Follower{
		Server: server, Place: readers.NewPlace(names...), Random: r.random, CutBytes: 400_000,
		Techniques: techniques(number), Protocols: []string{readers.H1, readers.H1, readers.H2C, readers.H2C, readers.H2},
		Took: r.took, Broke: r.broke,
	}
}

// techniques returns what a reader chooses from. Some end up with raw
// WebSocket, which is not left again.
func techniques(number int) (list []*readers.Technique) {
	for range 30 {
		for _, t := range readers.All {
			if t.Cursors {
				list = append(list, t)
			}
		}
	}
	if number%4 == 0 {
		list = append(list, readers.Named("raw"))
	}
	return list
}

func (r *reader) took(by *readers.Technique, it readers.Item) error {
	if r.last != by.Name {
		if r.last != "" {
			r.ledger.counts[by.Name].hops.Add(1)
		}
		r.last = by.Name
	}
	p := r.places[it.Channel]
	if p == nil {
		return fmt.Errorf("an entry of channel %q, which was not asked for", it.Channel)
	}
	at := offset(it.Cursor)
	if !by.Cursors {
		at = p.last + 1
	}
	r.ledger.delivered.Add(1)
	r.ledger.counts[by.Name].delivered.Add(1)
	if !p.check(at, hash(it.Data)) {
		r.ledger.altered.Add(1)
		return nil
	}
	switch word, bit := at/64, uint64(1)<<(at%64); {
	case p.seen[word]&bit != 0:
		r.ledger.repeated.Add(1)
		return nil
	case at < p.last:
		r.ledger.unordered.Add(1)
		fallthrough
	default:
		p.seen[word] |= bit
		p.had++
		p.last = max(p.last, at)
	}
	return nil
}

func (r *reader) broke(by *readers.Technique, _ error) { r.ledger.counts[by.Name].breaks.Add(1) }

// lost returns how many acknowledged entries readers of them have not had.
func (l *ledger) lost() (n int64) {
	for _, r := range l.readers {
		for _, p := range r.places {
			n += p.acknowledged.Load() - p.had
		}
	}
	return n
}

func (l *ledger) sound() bool {
	return l.lost() == 0 && l.repeated.Load() == 0 && l.unordered.Load() == 0 && l.altered.Load() == 0
}

// print prints what came of it.
func (l *ledger) print(took time.Duration) {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	line := func(cells string, values ...any) { _, _ = fmt.Fprintf(w, cells+"\n", values...) } // Flush would tell
	line("technique\tdelivered\tbreaks\thops to it\t")
	var breaks, hops int64
	for _, t := range readers.All {
		c := l.counts[t.Name]
		line("%s\t%d\t%d\t%d\t", t.Name, c.delivered.Load(), c.breaks.Load(), c.hops.Load())
		breaks += c.breaks.Load()
		hops += c.hops.Load()
	}
	line("all\t%d\t%d\t%d\t", l.delivered.Load(), breaks, hops)
	_ = w.Flush() // to the standard output, where nobody could be told
	fmt.Printf("%d published and acknowledged, in %v\n", l.published.Load(), took.Round(time.Second))
	fmt.Printf("lost %d, repeated %d, out of order %d, altered %d\n", l.lost(), l.repeated.Load(), l.unordered.Load(), l.altered.Load())
}
