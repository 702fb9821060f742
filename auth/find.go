package auth

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/pabal/pabal/internal/problem"
)

// protocolPrefix is how a subprotocol begins that carries a token: a page
// cannot set the headers of a WebSocket.
const protocolPrefix = "pabal.token."

// found is a token, and where it was.
type found struct{ token, where string }

// find returns the token of r; nil if there is none.
func (a *Authenticator) find(r *http.Request) (*string, error) {
	all := append(inAuthorization(r.Header), inProtocols(r.Header)...)
	query, err := inQuery(r)
	if err != nil {
		return nil, err
	}
	all = append(all, query...)
	explicit := len(all) > 0
	if a.cfg.Cookie != "" {
		for _, c := range r.CookiesNamed(a.cfg.Cookie) {
			all = append(all, found{c.Value, "the cookie " + a.cfg.Cookie})
		}
	}
	if len(all) == 0 {
		return nil, nil
	}
	for _, f := range all[1:] {
		if f.token != all[0].token {
			return nil, problem.BadRequest("there is a token in %s, and another in %s: send one", all[0].where, f.where)
		}
	}
	if !explicit {
		if err := a.checkCookie(r); err != nil {
			return nil, err
		}
	}
	if all[0].token == "" {
		return nil, refuse("the token in %s is empty: leave it out, or send one", all[0].where)
	}
	return &all[0].token, nil
}

func inAuthorization(h http.Header) (all []found) {
	for _, value := range h["Authorization"] {
		scheme, token, _ := strings.Cut(strings.TrimSpace(value), " ")
		if strings.EqualFold(scheme, "Bearer") {
			all = append(all, found{strings.TrimSpace(token), "Authorization"})
		}
	}
	return all
}

func inProtocols(h http.Header) (all []found) {
	for _, value := range h["Sec-Websocket-Protocol"] {
		for offered := range strings.SplitSeq(value, ",") {
			if token, ok := strings.CutPrefix(strings.TrimSpace(offered), protocolPrefix); ok {
				all = append(all, found{token, "Sec-WebSocket-Protocol"})
			}
		}
	}
	return all
}

func inQuery(r *http.Request) (all []found, err error) {
	if !suspicious(r.URL.RawQuery) {
		return nil, nil
	}
	for piece := range strings.SplitSeq(r.URL.RawQuery, "&") {
		name, value, _ := strings.Cut(piece, "=")
		if name, err := url.QueryUnescape(name); err != nil || name != "token" {
			continue
		}
		token, err := url.QueryUnescape(value)
		if err != nil {
			return nil, problem.BadRequest("?token= is not escaped as it should be in a URL")
		}
		all = append(all, found{token, "?token="})
	}
	return all, nil
}
