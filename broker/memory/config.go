package memory

import (
	"cmp"
	"time"

	"github.com/pabal/pabal"
)

// Config bounds what a [Broker] keeps. A zero field means its default.
type Config struct {
	Retention func(pabal.Channel) Retention // asked once for each channel that is written or followed; nil means the defaults for all

	Channels int           // with something to remember: a log, a deletion, a follower; 100,000
	Bytes    int           // of all channels together, each entry with 192 bytes beside its own; 1 GiB
	IDWindow time.Duration // for which an ID is known; 10 min
	IDs      int           // that are known, over all channels; 100,000
}

func (c Config) withDefaults() Config {
	if c.Retention == nil {
		c.Retention = func(pabal.Channel) Retention { return Retention{} }
	}
	c.Channels = cmp.Or(c.Channels, 100_000)
	c.Bytes = cmp.Or(c.Bytes, 1<<30)
	c.IDWindow = cmp.Or(c.IDWindow, 10*time.Minute)
	c.IDs = cmp.Or(c.IDs, 100_000)
	return c
}

// Retention bounds what is kept of one channel. A zero field means its
// default; Entries, Bytes and Age below zero mean no limit.
type Retention struct {
	Entries int           // 10,000
	Bytes   int           // by [pabal.Entry.Size]; 16 MiB. The last entry is kept whatever its size
	Age     time.Duration // 24 h. An empty channel is forgotten after as long (24 h if there is no limit)
	Latest  bool          // keep each key's last entry beside the bounds above
	Keys    int           // with Latest, the keys of which the last entry is kept; 10,000
}

func (r Retention) withDefaults() Retention {
	const unlimited = int(^uint(0) >> 1)
	r.Entries = cmp.Or(r.Entries, 10_000)
	r.Bytes = cmp.Or(r.Bytes, 16<<20)
	r.Age = cmp.Or(r.Age, day)
	r.Keys = cmp.Or(r.Keys, 10_000)
	if r.Entries < 0 {
		r.Entries = unlimited
	}
	if r.Bytes < 0 {
		r.Bytes = unlimited
	}
	return r
}

const day = 24 * time.Hour

// idle is for how long an empty channel is remembered.
func (r *Retention) idle() time.Duration {
	if r.Age < 0 {
		return day
	}
	return r.Age
}
