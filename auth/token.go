package auth

import (
	"context"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/pabal/pabal/internal/problem"
)

// A token is one that was taken apart, and of which nothing is believed.
type token struct {
	alg, kid  string
	claims    []byte // JSON, or not
	signed    string // what the signature is of
	signature []byte
}

// maxKeyID is how long the name of a key may be.
const maxKeyID = 255

// parse takes a token apart.
func parse(text string) (t token, err error) {
	if i := strings.IndexFunc(text, func(c rune) bool { return !tokenRune(c) }); i >= 0 {
		return t, refuse("the token is not a JSON Web Token: it has a character that is none of letters, digits and -_. at %d", i)
	}
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return t, refuse("the token is not a JSON Web Token: it has %d parts between dots, not 3", min(len(parts), 10))
	}
	var decoded [3][]byte
	for i, name := range []string{"header", "claims", "signature"} {
		if decoded[i], err = base64.RawURLEncoding.Strict().DecodeString(parts[i]); err != nil {
			return t, refuse("the token is not a JSON Web Token: its %s are not base64url without padding", name)
		}
	}
	header, err := members(decoded[0])
	if err != nil {
		return t, refuse("the token's header is not what it should be: %v", err)
	}
	if err := header.text("alg", &t.alg); err != nil {
		return t, refuse("the token's algorithm (alg) %v", err)
	}
	if err := header.text("kid", &t.kid); err != nil {
		return t, refuse("the token's key (kid) %v", err)
	}
	if len(t.kid) > maxKeyID {
		return t, refuse("the token names a key (kid) in %d bytes, %d at most", len(t.kid), maxKeyID)
	}
	if _, ok := header["crit"]; ok {
		return t, refuse("the token's header has extensions that must be understood (crit), and none is here")
	}
	t.claims, t.signature = decoded[1], decoded[2]
	t.signed = text[:len(parts[0])+1+len(parts[1])]
	return t, nil
}

func tokenRune(c rune) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.'
}

// methods are the algorithms there are.
var methods = map[string]jwt.SigningMethod{
	"HS256": jwt.SigningMethodHS256,
	"RS256": jwt.SigningMethodRS256,
	"ES256": jwt.SigningMethodES256,
	"EdDSA": jwt.SigningMethodEdDSA,
}

const algorithms = "HS256, RS256, ES256 and EdDSA"

// verify returns what a token says that is signed by a key of set. If no key
// fits, and the set may have grown, it is read again.
func (a *Authenticator) verify(ctx context.Context, text string) (*Claims, *keyset, error) {
	t, err := parse(text)
	if err != nil {
		return nil, nil, err
	}
	set := a.keys.Load()
	again, err := set.verify(t)
	if err != nil && again && a.jwks != nil {
		a.jwks.refresh(ctx)
		set = a.keys.Load()
		again, err = set.verify(t)
		if err != nil && again && set.lacking {
			err = problem.Unavailable(a.cfg.Refetch, "the keys that sign tokens cannot be read now: try again later")
		}
	}
	if err != nil {
		return nil, nil, err
	}
	claims, err := parseClaims(t.claims)
	return claims, set, err
}

// Signed reports whether token was signed by a key that a knows, whatever else
// is wrong with it. The error says why not.
func (a *Authenticator) Signed(ctx context.Context, token string) error {
	_, _, err := a.verify(ctx, token)
	return err
}

// maxTries is how many keys are tried on a token that names none.
const maxTries = 8

// verify reports what is wrong with the signature of t. Another set might know
// better if again.
func (s *keyset) verify(t token) (again bool, err error) {
	method := methods[t.alg]
	if method == nil {
		return false, refuse("the token's algorithm (alg) %.20q is not allowed; %s are", t.alg, algorithms)
	}
	tries, named := 0, ""
	for _, k := range s.keys {
		if t.kid != "" && k.id == t.kid {
			named = k.alg
		}
		if k.alg != t.alg || t.kid != "" && k.id != "" && k.id != t.kid {
			continue
		}
		if tries++; tries > maxTries {
			return false, refuse("the token does not name its key (kid), and there are more than %d for %s: have it name one", maxTries, t.alg)
		}
		if method.Verify(t.signed, t.signature, k.material) == nil {
			return false, nil
		}
	}
	switch {
	case named != "" && tries == 0:
		return false, refuse("the token's key (kid) %.80q is for %s, not for %s", t.kid, named, t.alg)
	case tries > 0:
		return named == "", refuse("the token's signature is not of a key that is known here: sign it with the key that the server is configured with")
	case t.kid != "":
		return true, refuse("the token's key (kid) %.80q is not known here: use one that is, or configure the server with it", t.kid)
	}
	return true, refuse("no key is known here for the token's algorithm, %s: configure the server with one", t.alg)
}

// check reports whether c, whose signature was checked, is good at now and
// here.
func (a *Authenticator) check(c *Claims, now time.Time) error {
	switch {
	case c.Expires.IsZero() && !a.cfg.Forever:
		return refuse(`the token has no end: make one with the claim "exp"`)
	case !c.Expires.IsZero() && !now.Before(c.Expires.Add(a.cfg.Leeway)):
		return &problem.Problem{Type: expiredToken, Title: "The token has expired", Status: http.StatusUnauthorized,
			Detail: "the token expired at " + c.Expires.Format(time.RFC3339) + ": get a new one"}
	case now.Before(c.NotBefore.Add(-a.cfg.Leeway)):
		return refuse("the token is good from %s only (nbf): wait, or see that the clocks of this server and of who made it agree", c.NotBefore.Format(time.RFC3339))
	case a.cfg.Issuer != "" && c.Issuer != a.cfg.Issuer:
		return refuse("the token is made by %.80q (iss), and must be by %.80q", c.Issuer, a.cfg.Issuer)
	case a.cfg.Audience == "" && len(c.Audience) > 0:
		return refuse("the token is for %.80q (aud), and this server was not told that it is meant: make it without an audience, or configure the server's", c.Audience[0])
	case a.cfg.Audience != "" && !slices.Contains(c.Audience, a.cfg.Audience):
		return refuse("the token is for %.200q (aud), and must be for %.80q", c.Audience, a.cfg.Audience)
	}
	return nil
}
