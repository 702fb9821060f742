package client

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// tokenTime is how long [Client].Token may take.
const tokenTime = 10 * time.Second

// errNoToken is the root of failures that no other attempt mends: what Token
// returned is none.
var errNoToken = errors.New("this cannot be a token")

// A tokenError says why there is no token to send. Nothing was sent.
type tokenError struct{ err error }

func (e tokenError) Error() string { return fmt.Sprintf("there is no token to send: %v", e.err) }
func (e tokenError) Unwrap() error { return e.err }

// token returns what Token does; "" if there is none.
func (c *Client) token(ctx context.Context) (string, error) {
	if c.Token == nil {
		return "", nil
	}
	ctx, cancel := context.WithTimeout(ctx, tokenTime)
	defer cancel()
	token, err := c.Token(ctx)
	if err != nil {
		return "", tokenError{err}
	}
	for i := range len(token) {
		if token[i] <= ' ' || token[i] > '~' {
			return "", tokenError{fmt.Errorf("%w: its byte %d is not allowed in a header", errNoToken, i)}
		}
	}
	return token, nil
}

// authorized calls send with the header that a request begins with, and once
// more, with a fresh token, if the server does not take the first.
func (c *Client) authorized(ctx context.Context, send func(http.Header) error) error {
	for again := false; ; again = true {
		header := http.Header{}
		for name, values := range c.Header {
			header[http.CanonicalHeaderKey(name)] = values
		}
		token, err := c.token(ctx)
		if err != nil {
			return err
		}
		if token != "" {
			header["Authorization"] = []string{"Bearer " + token}
		}
		err = send(header)
		var e *Error
		if c.Token == nil || again || !errors.As(err, &e) || e.Status != http.StatusUnauthorized {
			return err
		}
	}
}

var errRenew = errors.New("time for a connection with a new token")

const (
	expiringSoon = time.Minute     // before a token ends its reader is told
	renewLate    = 2 * time.Second // before it ends, it is left to end
	renewAgain   = 5 * time.Second // after a token could not be had
)

// renewal returns when to have another token than one that ends at expires:
// so that a crowd does not come at once, and that one that gets the same token
// again and again does not come ever faster. Ok is false if it is too late.
func renewal(expires time.Time) (wait time.Duration, ok bool) {
	left := expiringSoon
	if !expires.IsZero() {
		left = time.Until(expires)
	}
	return left/4 + mathrand.N(max(1, left/4)), left > renewLate
}

// expiring sees to a new token after n has said that the old one ends soon: by
// renew, if that is possible on c, and else by another connection.
func (c *connection) expiring(ctx context.Context, cancel context.CancelCauseFunc, n *Notice) {
	wait, ok := renewal(n.Expires)
	if !ok {
		return
	}
	for sleep(ctx, wait) {
		if c.renew == nil {
			cancel(errRenew)
			return
		}
		err := c.renew(ctx)
		var none tokenError
		if !errors.As(err, &none) {
			return // what else fails ends the connection
		}
		wait = renewAgain
	}
}

// An identity is by what the server knows this client, whatever it reads by.
type identity struct {
	once sync.Once
	id   string
}

// connection returns the id of the client's connection. Who knows it can read
// what comes to it.
func (c *Client) connection() string {
	c.identity.once.Do(func() { c.identity.id = rand.Text() })
	return c.identity.id
}
