package disk

import (
	"cmp"
	"fmt"
	"log/slog"
	"time"

	"github.com/pabal/pabal"
)

// Config says where a [Broker] keeps its data, and bounds it. A zero field
// means its default.
type Config struct {
	Dir   string                    // the data directory; it is made if it is not there
	Rules func(pabal.Channel) Rules // asked whenever a channel is loaded; nil means the defaults for all

	Channels     int           // with something to remember: a log, a deletion; 10,000,000
	Cache        int           // bytes of memory for blocks of the store and for recent entries, half of it each; 128 MiB
	SyncInterval time.Duration // with [SyncInterval], at most so long between syncs; 1 s
	MinFree      int           // bytes of the file system that must stay free: below, publishes are refused; 64 MiB, negative is none
	Log          *slog.Logger  // nil means none
}

// Rules are for one channel.
type Rules struct {
	pabal.Retention
	Sync Sync
}

// Sync says when what was published is safe from a crash of the machine.
type Sync uint8

// When what was published is synced.
const (
	SyncAlways   Sync = iota // before it is answered, or shown to any reader
	SyncInterval             // within Config.SyncInterval
	SyncNever                // when the system sees fit
)

func (s Sync) String() string {
	switch s {
	case SyncInterval:
		return "interval"
	case SyncNever:
		return "never"
	}
	return "always"
}

// ParseSync parses what String returns.
func ParseSync(text string) (Sync, error) {
	for s := SyncAlways; s <= SyncNever; s++ {
		if s.String() == text {
			return s, nil
		}
	}
	return 0, fmt.Errorf("%q is not a way to sync; write always, interval or never", text)
}

func (c Config) withDefaults() Config {
	if c.Rules == nil {
		c.Rules = func(pabal.Channel) Rules { return Rules{} }
	}
	c.Channels = cmp.Or(c.Channels, 10_000_000)
	c.Cache = cmp.Or(c.Cache, 128<<20)
	c.SyncInterval = cmp.Or(c.SyncInterval, time.Second)
	c.MinFree = cmp.Or(c.MinFree, 64<<20)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}
