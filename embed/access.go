package embed

import (
	"context"
	"net/http"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/problem"
)

// An AccessFunc says who sent a request, and what that allows, by whatever the
// program knows its users, such as a session's cookie:
//
//	embed.AccessFunc(func(r *http.Request) (pabal.Grant, error) {
//		return pabal.Grant{User: sessions.User(r), Rules: rules}, nil
//	})
//
// It is asked for each request, and by a WebSocket once. A grant that expires
// ends what is read by it then; the client comes again. For tokens that are
// refreshed in place there is package auth.
type AccessFunc func(r *http.Request) (pabal.Grant, error)

// Grant returns what f does.
func (f AccessFunc) Grant(r *http.Request) (pabal.Grant, error) {
	g, err := f(r)
	if g.User != "" && g.Claims == nil {
		g.Claims = []byte("{}") // it is known who that is: what is refused is 403, not 401
	}
	return g, err
}

var errNoTokens = problem.BadRequest("there are no tokens to refresh here: connect again")

// Renew refuses: there are no tokens.
func (f AccessFunc) Renew(context.Context, string) (pabal.Grant, error) {
	return pabal.Grant{}, errNoTokens
}

// Restore refuses: there are no tokens.
func (f AccessFunc) Restore([]byte) (pabal.Grant, error) { return pabal.Grant{}, errNoTokens }
