package server

import (
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/broker/disk"
	"github.com/pabal/pabal/call"
	"github.com/pabal/pabal/internal/pattern"
	"github.com/pabal/pabal/presence"
	"github.com/pabal/pabal/server/config"
)

// rules are for the channels of each namespace, for Pabal's own that have a
// meaning, and for all others.
type rules struct {
	namespaces config.Namespaces
	each       []disk.Rules
	own        []ownRules
	members    int // present in one channel
	others     disk.Rules
}

// ownRules are for some of Pabal's own channels, unless a namespace names them.
type ownRules struct {
	match pattern.Pattern
	rules disk.Rules
}

func newRules(cfg config.Config) (*rules, error) {
	others, err := rulesOf("", cfg.Keep)
	if err != nil {
		return nil, err
	}
	r := &rules{namespaces: cfg.Namespaces, own: rulesOfOwn(cfg), members: cfg.Upstream.Members, others: others}
	for _, n := range cfg.Namespaces {
		each, err := rulesOf(n.Name, n.Keep)
		if err != nil {
			return nil, err
		}
		r.each = append(r.each, each)
	}
	return r, nil
}

func (r *rules) of(ch pabal.Channel) disk.Rules {
	if i := r.namespaces.Find(ch); i >= 0 {
		return r.each[i]
	}
	if ch.Own() {
		if keep, ok := presence.Retention(ch, r.members); ok {
			return disk.Rules{Retention: keep, Sync: disk.SyncInterval}
		}
		for i := range r.own {
			if r.own[i].match.Match(ch) {
				return r.own[i].rules
			}
		}
	}
	return r.others
}

// rulesOfOwn returns the rules of Pabal's own channels. What would be known
// again soon, or is of no use to who comes back after a crash of the machine,
// is not written through at once.
func rulesOfOwn(cfg config.Config) []ownRules {
	const day = 24 * time.Hour
	// The log of a call is of use for as long as its name is known.
	calls := call.Retention
	calls.Age = max(calls.Age, 2*cfg.Policy.CallTimeout)
	for i := range cfg.Namespaces {
		calls.Age = max(calls.Age, 2*cfg.Namespaces[i].Policy.CallTimeout)
	}
	calls.IDWindow = calls.Age
	return []ownRules{
		// An inbox is of who used it first for as long as the ID of that is known.
		{"$conn/*", disk.Rules{Sync: disk.SyncInterval, Retention: pabal.Retention{Namespace: "$conn", Age: day, Entries: 1000, Bytes: 4 << 20, IDs: 1_000_000, IDWindow: day}}},
		{"$user/*", disk.Rules{Sync: disk.SyncAlways, Retention: pabal.Retention{Namespace: "$user", Age: 7 * day, Entries: 1000}}},
		{"$calls/*", disk.Rules{Sync: disk.SyncInterval, Retention: pabal.Retention{Namespace: "$calls", Age: calls.Age, Entries: 10_000}}},
		{call.Logs + "*", disk.Rules{Sync: disk.SyncInterval, Retention: calls}},
		{pabal.Internal + "*", disk.Rules{Sync: disk.SyncInterval, Retention: pabal.Retention{Namespace: "$-", Age: day, Latest: true, Keys: 10_000}}},
	}
}

func rulesOf(namespace string, k config.Keep) (disk.Rules, error) {
	sync, err := disk.ParseSync(k.Sync)
	return disk.Rules{Retention: retention(namespace, k), Sync: sync}, err
}

// retention returns what a broker keeps of a channel.
func retention(namespace string, k config.Keep) pabal.Retention {
	return pabal.Retention{
		Entries:    orNone(k.KeepEntries),
		Bytes:      orNone(int(k.KeepBytes)),
		Age:        orNone(k.KeepAge),
		Latest:     k.Keep == "latest",
		Keys:       k.KeepKeys,
		CloseAfter: k.CloseAfter,
		Namespace:  namespace,
		IDWindow:   k.IDWindow,
		IDs:        k.IDs,
	}
}
