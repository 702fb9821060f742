package pabal

import (
	"cmp"
	"time"
)

// Retention says what a broker keeps of a channel, and for how long. A zero
// field means its default; Entries, Bytes and Age below zero mean no limit.
type Retention struct {
	Entries int           // 10,000
	Bytes   int           // by [Entry.Size]; 16 MiB. The last entry is kept whatever its size
	Age     time.Duration // 24 h. An empty channel is forgotten after as long (24 h if there is no limit)
	Latest  bool          // keep each key's last entry beside the bounds above
	Keys    int           // with Latest, the keys of which the last entry is kept; 10,000

	CloseAfter time.Duration // close a channel to which nothing was published for so long; 0 is never

	Namespace string        // channels with the same one share what follows
	IDWindow  time.Duration // for which an ID is known; 10 min
	IDs       int           // that are known; 100,000
}

// WithDefaults returns r with each zero field set to its default, and what has
// no limit to one that is never reached.
func (r Retention) WithDefaults() Retention {
	const unlimited = int(^uint(0) >> 1)
	r.Entries = cmp.Or(r.Entries, 10_000)
	r.Bytes = cmp.Or(r.Bytes, 16<<20)
	r.Age = cmp.Or(r.Age, day)
	r.Keys = cmp.Or(r.Keys, 10_000)
	r.IDWindow = cmp.Or(r.IDWindow, 10*time.Minute)
	r.IDs = cmp.Or(r.IDs, 100_000)
	if r.Entries < 0 {
		r.Entries = unlimited
	}
	if r.Bytes < 0 {
		r.Bytes = unlimited
	}
	return r
}

const day = 24 * time.Hour

// Idle is for how long an empty channel is remembered.
func (r *Retention) Idle() time.Duration {
	if r.Age < 0 {
		return day
	}
	return r.Age
}
