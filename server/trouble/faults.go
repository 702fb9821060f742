package trouble

import (
	"encoding/json"
	"errors"
	"io"
	"time"

	"github.com/pabal/pabal/internal/problem"
	"github.com/pabal/pabal/internal/proxy"
)

// faults are those of a proxy, as JSON. 0 is none.
type faults struct {
	DelayMS      int     `json:"delayMs"`
	JitterMS     int     `json:"jitterMs"`
	LifeMS       int     `json:"lifeMs"`    // mean
	MaxLifeMS    int     `json:"maxLifeMs"` // at which each connection is cut
	Buffer       int     `json:"buffer"`    // bytes
	StripUpgrade bool    `json:"stripUpgrade"`
	Refuse       bool    `json:"refuse"`
	Bandwidth    int     `json:"bandwidth"` // bytes a second
	HalfOpen     float64 `json:"halfOpen"`  // chance of a cut to be silent
}

// The most that faults may be, so that what they hold is bounded.
const (
	mostDelay     = time.Minute
	mostLife      = 24 * time.Hour
	mostBuffer    = 1 << 20
	mostBandwidth = 1 << 30
	mostFaults    = 4 << 10 // bytes of their JSON
)

// readFaults reads what is sent as faults.
func readFaults(body io.Reader) (f faults, err error) {
	in := json.NewDecoder(body)
	in.DisallowUnknownFields()
	switch err := in.Decode(&f); {
	case errors.Is(err, io.EOF):
		return f, problem.BadRequest(`the body is empty; send the faults as JSON, as in {"delayMs":200}, or {} for none`)
	case err != nil:
		return f, badBody(err)
	}
	if _, err := in.Token(); !errors.Is(err, io.EOF) {
		return f, badBody(errors.New("something follows the object"))
	}
	return f, f.check()
}

func badBody(err error) error {
	return problem.BadRequest("the faults cannot be read: %.300v; send one JSON object with some of delayMs, jitterMs, lifeMs, maxLifeMs, "+
		"buffer, stripUpgrade, refuse, bandwidth and halfOpen", err)
}

func (f *faults) check() error {
	ms := func(d time.Duration) int { return int(d / time.Millisecond) }
	for _, n := range []struct {
		name      string
		got, most int
	}{
		{"delayMs", f.DelayMS, ms(mostDelay)},
		{"jitterMs", f.JitterMS, ms(mostDelay)},
		{"lifeMs", f.LifeMS, ms(mostLife)},
		{"maxLifeMs", f.MaxLifeMS, ms(mostLife)},
		{"buffer", f.Buffer, mostBuffer},
		{"bandwidth", f.Bandwidth, mostBandwidth},
	} {
		if n.got < 0 || n.got > n.most {
			return problem.BadRequest("%s is %d; write 0, which is none, to %d", n.name, n.got, n.most)
		}
	}
	if f.HalfOpen < 0 || f.HalfOpen > 1 {
		return problem.BadRequest("halfOpen is %v; it is a chance: write 0 to 1", f.HalfOpen)
	}
	return nil
}

// ofProxy returns f as the proxy takes it.
func (f *faults) ofProxy() proxy.Faults {
	ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	return proxy.Faults{
		Delay: ms(f.DelayMS), Jitter: ms(f.JitterMS), Life: ms(f.LifeMS), MaxLife: ms(f.MaxLifeMS),
		HalfOpen: f.HalfOpen, Bandwidth: f.Bandwidth, Buffer: f.Buffer,
		StripUpgrade: f.StripUpgrade, Refuse: f.Refuse,
	}
}

// stats are those of a proxy, as JSON.
type stats struct {
	Connections   int   `json:"connections"` // since it began, those refused included
	Open          int   `json:"open"`        // now, silent ones included
	Cuts          int   `json:"cuts"`        // resets
	HalfOpen      int   `json:"halfOpen"`    // cuts that were silent; not in cuts
	BytesIn       int64 `json:"bytesIn"`     // towards the node
	BytesOut      int64 `json:"bytesOut"`    // towards clients
	PeakPerSecond int   `json:"peakPerSecond"`
}

func statsOf(s proxy.Stats) stats { return stats(s) }
