package api

import (
	"errors"
	"net"
	"net/http"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/problem"
)

// An Authenticator says who sent a request, and what that allows.
type Authenticator interface {
	// Grant returns what the sender of r may do, by the token in it, or by what
	// anybody may. The error says what is wrong with the token.
	Grant(r *http.Request) (pabal.Grant, error)
}

// grant returns what the sender of r may do.
func (h *Handler) grant(r *http.Request) (g pabal.Grant, err error) {
	if h.Access != nil {
		if g, err = h.Access.Grant(r); err != nil {
			return g, err
		}
	}
	g.Address, _, _ = net.SplitHostPort(r.RemoteAddr)
	return g, nil
}

// allowed returns what the sender of r may do, if that is to do a with ch. It
// is asked before anything of r's body is read.
func (h *Handler) allowed(r *http.Request, a pabal.Action, ch pabal.Channel) (pabal.Grant, error) {
	g, err := h.grant(r)
	if err != nil {
		return g, err
	}
	err = g.Check(a, ch)
	if not, ok := errors.AsType[*pabal.ForbiddenError](err); ok && not.Why == "" && nobody(&g) {
		err = problem.Unauthorized("%v", not)
	}
	return g, err
}

// nobody reports whether g was given without a token, where one would tell
// more.
func nobody(g *pabal.Grant) bool { return g.Rules != nil && len(g.Claims) == 0 }

// reads reports whether r changes nothing.
func reads(r *http.Request) bool { return r.Method == http.MethodGet || r.Method == http.MethodHead }
