package crowd

import (
	"math"
	"math/bits"
	"sync"
	"time"
)

// A Lag says how long after they were published entries were read, in
// milliseconds: of a half, of nine tenths, of 99 in a hundred, of all.
type Lag struct {
	P50 float64 `json:"p50"`
	P90 float64 `json:"p90"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

const (
	seconds = 5               // of a second each: so long is what a Lag is of
	fine    = 32              // steps to twice as long: a lag is known to 3 %
	steps   = fine * (48 - 5) // up to a day, in units of a microsecond
)

// lags counts how often there was which lag in each of the last seconds.
type lags struct {
	mu   sync.Mutex
	last [seconds]second
}

type second struct {
	at    int64 // which second it is
	n     int
	most  time.Duration
	count [steps]uint32
}

func (l *lags) add(now time.Time, lag time.Duration) {
	lag = max(0, lag)
	l.mu.Lock()
	defer l.mu.Unlock()
	s := &l.last[now.Unix()%seconds]
	if s.at != now.Unix() {
		*s = second{at: now.Unix()}
	}
	s.n++
	s.most = max(s.most, lag)
	s.count[step(lag)]++
}

// over returns the lag of the last seconds; nil if there was none.
func (l *lags) over(now time.Time) *Lag {
	l.mu.Lock()
	defer l.mu.Unlock()
	var sum second
	for i := range l.last {
		s := &l.last[i]
		if s.at <= now.Unix()-seconds {
			continue
		}
		sum.n += s.n
		sum.most = max(sum.most, s.most)
		for j, n := range s.count {
			sum.count[j] += n
		}
	}
	if sum.n == 0 {
		return nil
	}
	most := milliseconds(sum.most)
	return &Lag{P50: min(most, sum.part(0.5)), P90: min(most, sum.part(0.9)), P99: min(most, sum.part(0.99)), Max: most}
}

// part returns the lag that so great a part does not go over.
func (s *second) part(of float64) float64 {
	left := int(math.Ceil(of * float64(s.n)))
	for i, n := range s.count {
		if left -= int(n); left <= 0 {
			return milliseconds(upTo(i))
		}
	}
	return milliseconds(s.most)
}

// step returns in which step a lag falls: below 32 µs each microsecond is one,
// beyond that there are 32 to twice as long.
func step(lag time.Duration) int {
	us := uint64(lag.Microseconds())
	if us < fine {
		return int(us)
	}
	octave := bits.Len64(us) - bits.Len64(fine)
	return min(steps-1, fine*(octave)+int(us>>octave))
}

// upTo returns the longest lag of a step.
func upTo(i int) time.Duration {
	if i < 2*fine {
		return time.Duration(i+1) * time.Microsecond
	}
	octave := i/fine - 1
	return time.Duration(uint64(i-fine*octave+1)<<octave) * time.Microsecond
}

func milliseconds(d time.Duration) float64 {
	return math.Round(float64(d)/float64(time.Millisecond)*1000) / 1000
}
