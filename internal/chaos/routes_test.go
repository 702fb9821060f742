package chaos

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"

	"github.com/pabal/pabal/internal/proxy"
)

// A route is a proxy that some readers and publishers go through.
type route struct {
	name   string
	proxy  *proxy.Proxy
	random *rand.Rand
	strips atomic.Int64 // until when (Unix ns) Upgrade may be stripped
}

// shapes are the kinds of trouble. Each ends: no connection outlives the
// longest life that a shape allows, so that when the trouble is over, what is
// left of it is over soon after.
var shapes = []struct {
	name string
	of   func(r *rand.Rand, longest time.Duration) proxy.Faults
}{
	{"far away", func(r *rand.Rand, _ time.Duration) proxy.Faults {
		return proxy.Faults{Delay: between(r, 1, 80), Jitter: between(r, 1, 80)}
	}},
	{"cut at an age", func(r *rand.Rand, longest time.Duration) proxy.Faults {
		return proxy.Faults{MaxLife: longest, Jitter: between(r, 1, 10)}
	}},
	{"short lives", func(r *rand.Rand, _ time.Duration) proxy.Faults {
		return proxy.Faults{Life: between(r, 300, 3000)}
	}},
	{"cut at a byte", func(r *rand.Rand, _ time.Duration) proxy.Faults {
		return proxy.Faults{CutBytes: 1000 + r.IntN(60_000)}
	}},
	{"half open", func(r *rand.Rand, longest time.Duration) proxy.Faults {
		return proxy.Faults{Life: between(r, 500, 4000), HalfOpen: 0.3 + 0.7*r.Float64(), HalfOpenFor: longest}
	}},
	{"narrow", func(r *rand.Rand, longest time.Duration) proxy.Faults {
		return proxy.Faults{Bandwidth: 2000 + r.IntN(30_000), Delay: between(r, 0, 50), MaxLife: longest}
	}},
	{"buffering", func(r *rand.Rand, longest time.Duration) proxy.Faults {
		return proxy.Faults{Buffer: 256 << r.IntN(7), MaxLife: longest}
	}},
	{"without Upgrade", func(r *rand.Rand, _ time.Duration) proxy.Faults {
		return proxy.Faults{StripUpgrade: true, Life: between(r, 1000, 8000), Delay: between(r, 0, 20)}
	}},
	{"all at once", func(r *rand.Rand, longest time.Duration) proxy.Faults {
		return proxy.Faults{
			Delay: between(r, 0, 20), Jitter: between(r, 1, 30), Life: between(r, 1000, 6000), HalfOpen: 0.3, HalfOpenFor: longest,
			Bandwidth: 20_000 + r.IntN(200_000), StripUpgrade: r.IntN(4) == 0, CutBytes: 50_000 + r.IntN(200_000), MaxLife: longest,
		}
	}},
}

func between(r *rand.Rand, from, to int) time.Duration {
	return time.Duration(from)*time.Millisecond + time.Duration(r.Int64N(int64(to-from)*int64(time.Millisecond)))
}

// newRoutes returns a route for each shape, each to nowhere yet.
func newRoutes(seed uint64) ([]*route, error) {
	var all []*route
	for i := range shapes {
		p, err := proxy.Listen("127.0.0.1:1", seed<<8|uint64(i))
		if err != nil {
			return all, err
		}
		all = append(all, &route{name: fmt.Sprintf("route %d", i+1), proxy: p, random: rand.New(rand.NewPCG(seed, 1<<32|uint64(i)))})
	}
	return all, nil
}

// shape gives r the trouble number n, or another if it is negative. It returns
// what that is.
func (r *route) shape(n int, longest time.Duration) string {
	if n < 0 {
		n = r.random.IntN(len(shapes))
	}
	s := shapes[n%len(shapes)]
	f := s.of(r.random, longest)
	r.set(f)
	return s.name + ": " + words(f)
}

// set gives r the trouble f.
func (r *route) set(f proxy.Faults) {
	until := int64(math.MaxInt64)
	if !f.StripUpgrade {
		until = time.Now().Add(10 * time.Second).UnixNano() // connections that are there stay as they are
	}
	if f.StripUpgrade || r.strips.Load() == math.MaxInt64 {
		r.strips.Store(until)
	}
	r.proxy.Set(f)
}

// words are f for a person.
func words(f proxy.Faults) string {
	var said []string
	say := func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) }
	ms := func(d time.Duration) time.Duration { return d.Round(time.Millisecond) }
	if f.Delay+f.Jitter > 0 {
		say("delay %v to %v", ms(f.Delay), ms(f.Delay+f.Jitter))
	}
	if f.Life > 0 {
		say("life %v", ms(f.Life))
	}
	if f.MaxLife > 0 {
		say("cut after %v", ms(f.MaxLife))
	}
	if f.CutBytes > 0 {
		say("cut after %d bytes", f.CutBytes)
	}
	if f.HalfOpen > 0 {
		say("%.0f %% half open for %v", f.HalfOpen*100, f.HalfOpenFor)
	}
	if f.Bandwidth > 0 {
		say("%d bytes/s", f.Bandwidth)
	}
	if f.Buffer > 0 {
		say("buffer %d", f.Buffer)
	}
	if f.StripUpgrade {
		say("no Upgrade")
	}
	if f.Refuse {
		say("refuse")
	}
	return strings.Join(said, ", ")
}

// stripped reports whether r may have stripped Upgrade from a request just now.
func (r *route) stripped() bool {
	return time.Now().UnixNano() < r.strips.Load()
}
