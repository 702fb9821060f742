package embed

import (
	"strings"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/call"
	"github.com/pabal/pabal/presence"
)

// Retention returns what a broker should keep of ch: of Pabal's own channels,
// what inboxes, presence and calls need; of others, the defaults. It is for the
// configuration of a broker of the caller's, beside what it says of channels
// that do not begin with "$".
func Retention(ch pabal.Channel) pabal.Retention {
	const day = 24 * time.Hour
	if keep, ok := presence.Retention(ch, 0); ok {
		return keep
	}
	begins := func(with string) bool { return strings.HasPrefix(string(ch), with) }
	switch {
	case begins(pabal.Inbox): // it is of who used it first for as long as the ID of that is known
		return pabal.Retention{Namespace: "$conn", Age: day, Entries: 1000, Bytes: 4 << 20, IDs: 1_000_000, IDWindow: day}
	case begins(pabal.UserInbox):
		return pabal.Retention{Namespace: "$user", Age: 7 * day, Entries: 1000}
	case begins(pabal.Calls):
		return pabal.Retention{Namespace: "$calls", Age: call.Retention.Age, Entries: 10_000}
	case begins(call.Logs):
		return call.Retention
	case begins(pabal.Internal):
		return pabal.Retention{Namespace: "$-", Age: day, Latest: true, Keys: 10_000}
	}
	return pabal.Retention{}
}
