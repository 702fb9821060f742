package transport_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/readers"
	"github.com/pabal/pabal/transport"
)

var seedFlag = flag.Uint64("seed", 0, "of the conformance suite; 0: another each time")

func newSeed(t *testing.T) uint64 {
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64() >> 32
	}
	t.Logf("seed %d", seed)
	return seed
}

// resumable are the techniques whose entries have cursors.
func resumable() (list []*readers.Technique) {
	for _, t := range readers.All {
		if t.Cursors {
			list = append(list, t)
		}
	}
	return list
}

// add adds a reader of channels to s.
func (s *stage) add(b *book, name string, seed uint64, protocol string, techniques []*readers.Technique, channels []string, cutBytes int) {
	number := uint64(len(s.followers))
	s.histories = append(s.histories, newHistory(name))
	s.followers = append(s.followers, &readers.Follower{
		Server: b.server, Place: readers.NewPlace(channels...), Techniques: techniques, Protocols: []string{protocol},
		Random: rand.New(rand.NewPCG(seed, 1<<20+number)), CutBytes: cutBytes,
	})
}

// TestConformance has readers of each technique, and readers that hop between
// all of them, broken off at random bytes over one channel and over several,
// while publishers publish. Each must end with exactly the log.
func TestConformance(t *testing.T) {
	for _, c := range []struct {
		protocol          string
		lossless, rotated bool
	}{
		{readers.H1, true, false}, {readers.H1, false, false}, {readers.H1, true, true},
		{readers.H2, true, false}, {readers.H2C, false, false}, {readers.H2C, true, true},
	} {
		t.Run(fmt.Sprintf("%s/lossless=%v/rotated=%v", c.protocol, c.lossless, c.rotated), func(t *testing.T) {
			s := &setup{lossy: !c.lossless}
			if c.rotated {
				s.reads = transport.Handler{RotateAfter: 20 * time.Millisecond, RotateBytes: 3000, Heartbeat: 5 * time.Millisecond, Retry: time.Millisecond}
			}
			// A small window has readers fall off it and come back.
			s.limits = pabal.Limits{WindowEntries: 50, WindowBytes: 20_000, BatchBytes: 1 << 20}
			if c.protocol == readers.H1 {
				pumps(t, s, func(t *testing.T, s *setup) { conform(t, s, c.protocol, c.rotated) })
				return
			}
			conform(t, s, c.protocol, c.rotated)
		})
	}
}

func conform(t *testing.T, s *setup, protocol string, rotated bool) {
	seed := newSeed(t)
	b := newBook(newNode(t, s).listen(t))
	one, several := []string{"sports/kbo/lg-doosan"}, []string{"sports/kbo/lg-doosan", "chat", "b"}
	st := &stage{channels: several, publishers: 3, each: 150}
	for _, by := range readers.All {
		only := []*readers.Technique{by}
		st.add(b, "only "+by.Name, seed, protocol, only, one, 20_000)
		if by.Several {
			st.add(b, "only "+by.Name+" over several", seed, protocol, only, several, 20_000)
		}
	}
	for i := range 4 {
		st.add(b, fmt.Sprintf("hopping %d", i), seed, protocol, resumable(), one, 20_000)
		st.add(b, fmt.Sprintf("hopping over several %d", i), seed, protocol, resumable(), several, 20_000)
	}
	st.add(b, "never broken", seed, protocol, []*readers.Technique{readers.Named("stream")}, several, 0)
	for _, f := range st.followers {
		f.Rotated = rotated
	}
	st.run(t, b, seed)
}
