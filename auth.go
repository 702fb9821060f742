package pabal

import "fmt"

// A Grant is what the holder may do.
type Grant struct {
	Address string // the client's, for Limits.SessionsPerAddress; empty: not counted
	Own     bool   // may publish to Pabal's own channels
}

// A ForbiddenError says what a grant does not allow.
type ForbiddenError struct {
	Channel Channel
	Action  string
}

func (e *ForbiddenError) Error() string {
	return fmt.Sprintf("you may not %s channel %q: names that begin with $ are Pabal's own", e.Action, e.Channel)
}

func (g *Grant) publish(ch Channel) error {
	if ch.Own() && !g.Own {
		return &ForbiddenError{ch, "write to"}
	}
	return nil
}
