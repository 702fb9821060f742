package auth

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/problem"
)

// DefaultTokenBytes is how long a token may be unless [Config] says otherwise.
const DefaultTokenBytes = 8 << 10

// Config is how tokens are checked. Its zero value knows no key and grants
// nothing to anybody.
type Config struct {
	Keys     []Key         // that sign tokens
	JWKS     string        // URL of further ones, as a JSON Web Key Set; https, or http on this machine
	Refresh  time.Duration // how often JWKS is read again; 0: 15 minutes
	Refetch  time.Duration // how soon a token with an unknown key may have JWKS read again; 0: 10 seconds
	Issuer   string        // who must have made a token (iss); empty: not looked at
	Audience string        // for whom a token must be (aud); empty: a token that names an audience is refused
	Leeway   time.Duration // how wrong the clocks of who makes tokens may be; 0: not at all
	Forever  bool          // take tokens without an end (exp) too

	TokenBytes   int      // how long a token may be; 0: [DefaultTokenBytes]
	Cookie       string   // the cookie that a token may be in; empty: cookies are not looked at
	AllowOrigins []string // whose pages may read with that cookie, as https://example.com; * is nobody here

	// Anonymous is what anybody may, without a token; nil: nothing. Of Pabal's own
	// channels it is asked only who may read them, and not of calls: those, and
	// publishing to users, need a token that says so.
	Anonymous func(pabal.Channel) Actions

	// TrustEveryone lets everybody do everything. Tokens still say who it is.
	TrustEveryone bool

	Log    *slog.Logger // where it is said that JWKS cannot be read; nil: nowhere
	Client *http.Client // which reads JWKS; nil: one that follows no redirect to plain http
}

// An Authenticator checks tokens. Close ends what it has running.
type Authenticator struct {
	cfg    Config
	anyone *anyone
	keys   atomic.Pointer[keyset]
	cache  cache
	jwks   *remote // nil: there is no URL

	stop    context.CancelFunc
	running sync.WaitGroup
}

// New returns an Authenticator as cfg says. The error is of cfg and of the
// files that it names. A URL that does not answer within a few seconds is no
// error: it is logged, and tried again.
func New(cfg Config) (*Authenticator, error) {
	cfg.Refresh = cmp.Or(cfg.Refresh, 15*time.Minute)
	cfg.Refetch = cmp.Or(cfg.Refetch, 10*time.Second)
	cfg.Refetch = min(cfg.Refetch, cfg.Refresh)
	cfg.TokenBytes = cmp.Or(cfg.TokenBytes, DefaultTokenBytes)
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Refresh < 0 || cfg.Refetch < 0 || cfg.Leeway < 0 || cfg.TokenBytes < 0 {
		return nil, errors.New("auth: a time or size is below 0; leave it 0 for the default")
	}
	set := new(keyset)
	for i, k := range cfg.Keys {
		loaded, err := k.load()
		if err != nil {
			return nil, fmt.Errorf("auth: key %d: %w", i+1, err)
		}
		set.keys = append(set.keys, loaded...)
	}
	ctx, stop := context.WithCancel(context.Background())
	a := &Authenticator{cfg: cfg, anyone: &anyone{cfg.Anonymous}, stop: stop}
	a.keys.Store(set)
	if cfg.JWKS == "" {
		return a, nil
	}
	var err error
	if a.jwks, err = newRemote(ctx, a, set.keys); err != nil {
		stop()
		return nil, fmt.Errorf("auth: %w", err)
	}
	a.jwks.refresh(ctx)
	a.running.Go(func() { a.jwks.run(ctx) })
	return a, nil
}

// Close ends what a has running, and waits for it. Who asks later is answered
// by the keys known then.
func (a *Authenticator) Close() {
	if a.jwks != nil {
		a.jwks.mu.Lock() // nobody begins to read the keys once their end is waited for
		a.stop()
		a.jwks.mu.Unlock()
	}
	a.stop()
	a.running.Wait()
}

// Grant returns what the sender of r may do: by its token, or without one by
// what anybody may. It takes a token from the header Authorization (Bearer),
// from a subprotocol offered as pabal.token.<token>, from ?token= and, if that
// is configured, from a cookie, which counts only where no foreign page can have
// sent it. An error is a *[problem.Problem]: 401 for a bad token, 400 for two
// of them, 403 for a cookie that does not count, 503 while keys cannot be read.
func (a *Authenticator) Grant(r *http.Request) (pabal.Grant, error) {
	token, err := a.find(r)
	if err != nil {
		return pabal.Grant{}, err
	}
	if token == nil {
		return a.anonymous(), nil
	}
	return a.Renew(r.Context(), *token)
}

// Renew returns what the holder of token may do. Its errors are those of
// [Authenticator.Grant].
func (a *Authenticator) Renew(ctx context.Context, token string) (pabal.Grant, error) {
	if len(token) > a.cfg.TokenBytes {
		return pabal.Grant{}, overLimit("token-bytes", a.cfg.TokenBytes, "the token has %d bytes, %d at most", len(token), a.cfg.TokenBytes)
	}
	if len(a.cfg.Keys) == 0 && a.jwks == nil {
		return pabal.Grant{}, refuse("there is a token, and no key to check it with: leave the token out, or configure the server with the key that signs tokens")
	}
	sum := sha256.Sum256([]byte(token))
	now := time.Now()
	if g, ok := a.cache.get(sum, a.keys.Load(), now); ok {
		return g, nil
	}
	claims, set, err := a.verify(ctx, token)
	if err != nil {
		return pabal.Grant{}, err
	}
	if err := a.check(claims, now); err != nil {
		return pabal.Grant{}, err
	}
	g := a.grant(claims)
	a.cache.put(sum, set, g)
	return g, nil
}

// Restore returns the grant that has claims. They are trusted: only a node may
// have made them. A grant that has expired is no error; it says so itself.
func (a *Authenticator) Restore(claims []byte) (pabal.Grant, error) {
	if len(claims) == 0 {
		return a.anonymous(), nil
	}
	c, err := parseClaims(claims)
	if err != nil {
		return pabal.Grant{}, err
	}
	return a.grant(c), nil
}

func (a *Authenticator) anonymous() pabal.Grant {
	if a.cfg.TrustEveryone {
		return pabal.Grant{}
	}
	return pabal.Grant{Rules: a.anyone}
}

// grant returns what c allows, which was checked.
func (a *Authenticator) grant(c *Claims) pabal.Grant {
	g := pabal.Grant{User: c.User, Data: c.Data, Claims: c.kept()}
	if !c.Expires.IsZero() {
		g.Expires = c.Expires.Add(a.cfg.Leeway)
	}
	if !a.cfg.TrustEveryone {
		g.Rules = newRules(c, a.anyone)
	}
	return g
}

// The types of problems that a token may have.
const (
	badToken     = "/problems/token"
	expiredToken = "/problems/token-expired"
	limit        = "/problems/limit"
)

// refuse says what is wrong with a token.
func refuse(format string, args ...any) *problem.Problem {
	return &problem.Problem{Type: badToken, Title: "The token is not accepted", Status: http.StatusUnauthorized, Detail: fmt.Sprintf(format, args...)}
}

// overLimit says that a token is over the limit of that name.
func overLimit(name string, most int, format string, args ...any) *problem.Problem {
	p := refuse(format, args...)
	p.Type, p.Title, p.Limit, p.Max = limit, "Over a limit", name, int64(most)
	return p
}
