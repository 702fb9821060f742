package server

import (
	"bytes"
	"fmt"
	"os"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/auth"
	"github.com/pabal/pabal/call"
	"github.com/pabal/pabal/presence"
	"github.com/pabal/pabal/server/config"
)

// policies are what the channels of each namespace are for, and all others.
type policies struct {
	namespaces config.Namespaces
	each       []policy
	others     policy
	own        policy // of Pabal's own that are in no namespace
}

type policy struct {
	anonymous auth.Actions // without a token
	presence  presence.Mode
	hook      call.Hook // answers calls, if it has a URL
	timeout   time.Duration
}

// newPolicies reads what cfg says, and the files that it names.
func newPolicies(cfg config.Config) (p *policies, err error) {
	p = &policies{namespaces: cfg.Namespaces}
	if p.others, err = newPolicy(cfg.Policy); err != nil {
		return nil, err
	}
	for _, n := range cfg.Namespaces {
		each, err := newPolicy(n.Policy)
		if err != nil {
			return nil, fmt.Errorf("namespace %s: %w", n.Name, err)
		}
		p.each = append(p.each, each)
	}
	p.own = p.others
	p.own.anonymous = 0
	return p, nil
}

func newPolicy(c config.Policy) (p policy, err error) {
	p = policy{presence: modes[c.Presence], timeout: c.CallTimeout, hook: call.Hook{URL: string(c.CallURL)}}
	for _, a := range actions {
		if c.Anybody(a) {
			p.anonymous |= auth.ActionsOf(a)
		}
	}
	if c.CallURL != "" {
		if p.hook.Secret, err = readSecret(c.CallSecretFile); err != nil {
			return p, fmt.Errorf("call-secret-file: %w", err)
		}
	}
	return p, nil
}

// leastSecret is how many bytes a secret has at least, or it can be guessed.
const leastSecret = 32

// readSecret reads the secret that a file holds: its bytes, but for white space
// at its end.
func readSecret(file string) ([]byte, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	secret := bytes.TrimRight(text, " \t\r\n")
	if len(secret) < leastSecret {
		return nil, fmt.Errorf("%s: the secret has %d bytes, %d at least, or it can be guessed: make one with openssl rand -hex 32", file, len(secret), leastSecret)
	}
	return secret, nil
}

// actions are all that there are.
var actions = []pabal.Action{pabal.ToRead, pabal.ToPublish, pabal.ToCall, pabal.ToSee}

func (p *policies) of(ch pabal.Channel) *policy {
	if i := p.namespaces.Find(ch); i >= 0 {
		return &p.each[i]
	}
	if ch.Own() {
		return &p.own
	}
	return &p.others
}

// anonymous returns what may be done with ch without a token.
func (p *policies) anonymous(ch pabal.Channel) auth.Actions { return p.of(ch).anonymous }

// modes are of presence, as they are configured.
var modes = map[string]presence.Mode{"on": presence.On, "counts": presence.CountsOnly, "off": presence.Off}

// presence returns what is known of who is in ch.
func (p *policies) presence(ch pabal.Channel) presence.Mode { return p.of(ch).presence }

// hook returns where calls of ch are answered.
func (p *policies) hook(ch pabal.Channel) (h call.Hook, ok bool) {
	h = p.of(ch).hook
	return h, h.URL != ""
}

// timeout returns how long a call of ch may take.
func (p *policies) timeout(ch pabal.Channel) time.Duration { return p.of(ch).timeout }
