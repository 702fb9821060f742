package config

import (
	"regexp"
	"slices"
	"strings"

	"github.com/pabal/pabal"
)

// openHere is said of open where nothing says who may do what, and only this
// machine reaches the node.
const openHere = "default on loopback without keys and anonymous"

// ownAnonymous is said of what is not inherited, as it would be too much.
const ownAnonymous = "default where a pattern begins with $"

// anonymous is the name of [Policy].Anonymous.
const anonymous = "anonymous"

// words are what [Policy].Anonymous calls the actions.
var words = map[string]pabal.Action{"read": pabal.ToRead, "publish": pabal.ToPublish, "call": pabal.ToCall, "see": pabal.ToSee}

// Anybody reports whether a may be done without a token.
func (p *Policy) Anybody(a pabal.Action) bool {
	return slices.ContainsFunc(p.Anonymous, func(word string) bool {
		action, ok := words[word]
		return word == "all" || ok && action == a
	})
}

// nobody reports whether nothing may be done without a token.
func (p *Policy) nobody() bool {
	return !slices.ContainsFunc(p.Anonymous, func(word string) bool { return word != "none" })
}

// settleOpen opens c to everybody if nothing says who may do what, and only
// this machine reaches it.
func (c *Config) settleOpen(from Provenance) {
	if from["open"] == byDefault && c.loopback() && !c.Tokens.Given() && !c.saysAnonymous(from) {
		c.Access.Open = true
		from["open"] = openHere
	}
}

// saysAnonymous reports whether anybody has said what may be done without a
// token, be it nothing.
func (c *Config) saysAnonymous(from Provenance) bool {
	for i := range c.Namespaces {
		if at := from[of(i, anonymous)]; at != ownAnonymous && !strings.HasPrefix(at, nodeWide) {
			return true
		}
	}
	return from[anonymous] != byDefault
}

// Development reports whether c has development mode.
func (c *Config) Development() bool {
	switch c.Access.Dev {
	case "on":
		return true
	case "auto":
		return c.loopback() && !c.Tokens.Given() && len(c.Access.TrustedProxies) == 0
	}
	return false
}

// access is what lets somebody do something, for errors.
const access = "give keys for tokens (token-key-file, token-key, token-secret-file or token-jwks-url), " +
	"or say in anonymous what may be done without a token, or say --open to let anyone do everything"

// checkAccess says what is wrong with who may do what.
func (c *Config) checkAccess(fail failure) {
	keys, open := c.Tokens.Given(), c.Access.Open
	anybody := !c.Policy.nobody() || slices.ContainsFunc(c.Namespaces, func(n Namespace) bool { return !n.Policy.nobody() })
	switch {
	case open && keys:
		fail("open", "there are keys for tokens, and it would let in who has none: leave it out, and say in anonymous what may be done without a token")
	case open && anybody:
		fail("open", "it lets anyone do everything, so that anonymous would mean nothing: leave out one of the two")
	case open || keys || anybody:
	case c.loopback():
		fail("open", "nobody may do anything here: leave it and anonymous out to let whoever is on this machine do everything, or %s", access)
	}
	for _, address := range c.Serving.Listen {
		if !Loopback(address) && !open && !keys && !anybody && checkAddress(address) == nil {
			fail("listen", "%s is not a loopback address, and nothing says who may do what: "+
				"listen on 127.0.0.1, or %s", address, access)
		}
	}
	for _, address := range c.Serving.Listen {
		if c.Access.Dev == "on" && !Loopback(address) && checkAddress(address) == nil {
			fail("dev", "in development mode whoever reaches this node may break its connections and put load on it, and %s is not a loopback address: "+
				"listen on 127.0.0.1, or leave it at auto", address)
		}
	}
	c.checkTokens(fail)
	c.checkPolicy(fail, &c.Policy, func(name string) string { return name })
	for i := range c.Namespaces {
		c.checkPolicy(fail, &c.Namespaces[i].Policy, func(name string) string { return of(i, name) })
	}
}

// cookieName matches the name of a cookie (RFC 6265).
var cookieName = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")

// mostToken is what fits in the head of a request beside the rest.
const mostToken = 32 << 10

func (c *Config) checkTokens(fail failure) {
	t := &c.Tokens
	for _, s := range [][2]string{{"token-audience", t.Audience}, {"token-issuer", t.Issuer}, {"token-cookie", t.Cookie}} {
		if s[1] != "" && !t.Given() {
			fail(s[0], "there are no keys, so that no token is taken; give token-key-file, token-key, token-secret-file or token-jwks-url")
		}
	}
	if t.Cookie != "" && !cookieName.MatchString(t.Cookie) {
		fail("token-cookie", "%q cannot be the name of a cookie; write letters, digits, - and _, as in pabal_token", t.Cookie)
	}
	if t.Bytes > mostToken {
		fail("token-bytes", "%v does not fit in the head of a request; write %v at most", t.Bytes, Size(mostToken))
	}
}

func (c *Config) checkPolicy(fail failure, p *Policy, key func(string) string) {
	if len(p.Anonymous) > 1 && (slices.Contains(p.Anonymous, "none") || slices.Contains(p.Anonymous, "all")) {
		fail(key(anonymous), "none and all stand alone; write one of them, or some of read, publish, call and see")
	}
	if p.CallURL != "" && p.CallSecretFile == "" {
		fail(key("call-url"), "its requests would not be signed, so that anyone could send them; give call-secret-file")
	}
}

// A failure says what is wrong with the setting of that name.
type failure func(name, format string, args ...any)
