package pabal

import "fmt"

// A Grant is what the holder may do.
type Grant struct {
	Address string // the client's, for Limits.SessionsPerAddress; empty: not counted
	Own     bool   // may publish to Pabal's own channels
}

// A ForbiddenError says what a grant does not allow.
type ForbiddenError struct{ Channel Channel }

func (e *ForbiddenError) Error() string {
	return fmt.Sprintf("you may not write to channel %q: names that begin with $ are Pabal's own", e.Channel)
}

func (g *Grant) publish(ch Channel) error {
	if ch.Own() && !g.Own {
		return &ForbiddenError{ch}
	}
	return nil
}
