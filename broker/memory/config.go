package memory

import (
	"cmp"

	"github.com/pabal/pabal"
)

// Config bounds what a [Broker] keeps. A zero field means its default.
type Config struct {
	Retention func(pabal.Channel) pabal.Retention // asked once for each channel that is written or followed; nil means the defaults for all

	Channels int // with something to remember: a log, a deletion, a follower; 100,000
	Bytes    int // of all channels together, each entry with 192 bytes beside its own; 1 GiB

	Epoch func() pabal.Epoch // of each life of the broker; nil: at random. It is for simulations, which must be repeatable
}

func (c Config) withDefaults() Config {
	if c.Retention == nil {
		c.Retention = func(pabal.Channel) pabal.Retention { return pabal.Retention{} }
	}
	if c.Epoch == nil {
		c.Epoch = newEpoch
	}
	c.Channels = cmp.Or(c.Channels, 100_000)
	c.Bytes = cmp.Or(c.Bytes, 1<<30)
	return c
}
