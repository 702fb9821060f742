package pabal

import (
	"cmp"
	"fmt"
	"strings"
	"time"
)

// A Grant is what the holder may do, and who that is.
type Grant struct {
	Address    string    // the client's, for Limits.SessionsPerAddress; empty: not counted
	Own        bool      // Pabal itself, who may do everything, and is not counted
	User       string    // who the client is; empty: nobody knows
	Connection string    // by which its inbox is known; empty: it has none
	Data       []byte    // JSON, which presence shows of the user; nil: nothing
	Expires    time.Time // from then on it allows nothing; zero: never
	Rules      Rules     // nil: every channel
	Claims     []byte    // from which Rules, User, Data and Expires were made, for who makes them again
}

// Rules say what a grant allows.
type Rules interface {
	Allow(a Action, ch Channel) bool
}

// An Action is what a grant may allow to be done with a channel.
type Action uint8

// The actions.
const (
	ToRead    Action = iota // its entries, and where it ends
	ToPublish               // and to close or delete it
	ToCall                  // to ask whoever answers for it
	ToSee                   // who is present in it
)

func (a Action) String() string { return [...]string{"read", "publish to", "call", "see who is in"}[a] }

// A ForbiddenError says what a grant does not allow, and, if not because it
// does not say so, why.
type ForbiddenError struct {
	Action  Action
	Channel Channel
	Why     string
}

func (e *ForbiddenError) Error() string {
	return fmt.Sprintf("you may not %v channel %q: %s", e.Action, e.Channel, cmp.Or(e.Why, "use a token that allows it"))
}

// Pabal's own channels that have a meaning, each followed by a name.
const (
	Inbox     = "$conn/"     // of a connection, which alone reads it
	UserInbox = "$user/"     // of a user, who alone reads it; see [InboxOf]
	Presence  = "$presence/" // who is in a channel
	Calls     = "$calls/"    // what is asked of a channel, for who answers it
	Internal  = "$-/"        // what nodes tell each other, and nobody reads
)

// InboxOf returns the channel that only user reads, whose name may be any text:
// a byte that a channel's name cannot have, and ":", is written as ":" and two
// hexadecimal digits.
func InboxOf(user string) Channel {
	name := []byte(UserInbox)
	for i := range len(user) {
		if c := user[i]; channelByte(c) && c != '/' && c != ':' && strings.Trim(user, ".") != "" {
			name = append(name, c)
		} else {
			name = fmt.Appendf(name, ":%02X", c)
		}
	}
	return Channel(name)
}

// Check reports whether g allows a with ch; the error is a *[ForbiddenError].
func (g *Grant) Check(a Action, ch Channel) error {
	own, _, _ := strings.Cut(string(ch), "/")
	why := ""
	switch of := Channel(strings.TrimPrefix(string(ch), Presence)); {
	case g.Own:
		return nil
	case ch.Own() && a == ToPublish && own+"/" != UserInbox, own+"/" == Internal:
		why = "names that begin with $ are Pabal's own"
	case ch.Own() && a >= ToCall, of.Own() && of != ch:
		why = "it is one of Pabal's own, in which nobody is"
	case a == ToRead && own+"/" == Inbox && string(ch) != Inbox+g.Connection:
		why = "it is the inbox of another connection; give yours as ?connection="
	case a == ToRead && own+"/" == UserInbox && (g.User == "" || ch != InboxOf(g.User)):
		why = "it is the inbox of another user"
	case a == ToRead && (own+"/" == Inbox || own+"/" == UserInbox):
		return nil
	case of != ch:
		return g.Check(ToSee, of)
	case g.Rules == nil || g.Rules.Allow(a, ch):
		return nil
	}
	return &ForbiddenError{a, ch, why}
}
