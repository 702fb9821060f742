package server

import (
	"testing"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/auth"
	"github.com/pabal/pabal/internal/pattern"
	"github.com/pabal/pabal/presence"
	"github.com/pabal/pabal/server/config"
)

// What may be done with a channel hangs on its namespace. Pabal's own that are
// in none are not touched by what is said of all others.
func TestPolicies(t *testing.T) {
	cfg := testConfig()
	cfg.Policy.Anonymous = []string{"all"}
	cfg.Namespaces = config.Namespaces{
		{Name: "host", Match: []pattern.Pattern{"$host/*"}, Keep: cfg.Keep, Policy: config.Policy{Anonymous: []string{"read"}, Presence: "on"}},
		{Name: "shop", Match: []pattern.Pattern{"shop/*"}, Keep: cfg.Keep, Policy: config.Policy{
			Anonymous: []string{"call", "see"}, Presence: "counts", CallURL: "https://shop.example", CallSecretFile: secretFile(t, testSecret), CallTimeout: time.Second,
		}},
		{Name: "quiet", Match: []pattern.Pattern{"quiet"}, Keep: cfg.Keep, Policy: config.Policy{Presence: "off"}},
	}
	p, err := newPolicies(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for ch, want := range map[pabal.Channel]struct {
		anonymous auth.Actions
		mode      presence.Mode
		hook      string
		timeout   time.Duration
	}{
		"chat":        {auth.All, presence.On, "", 10 * time.Second},
		"shop/1":      {auth.ActionsOf(pabal.ToCall, pabal.ToSee), presence.CountsOnly, "https://shop.example", time.Second},
		"quiet":       {0, presence.Off, "", 0},
		"$host/cpu":   {auth.ActionsOf(pabal.ToRead), presence.On, "", 0},
		"$user/ann":   {0, presence.On, "", 10 * time.Second},
		"$calls/chat": {0, presence.On, "", 10 * time.Second},
	} {
		hook, ok := p.hook(ch)
		if p.anonymous(ch) != want.anonymous || p.presence(ch) != want.mode || hook.URL != want.hook || ok != (want.hook != "") || p.timeout(ch) != want.timeout {
			t.Errorf("%s: got %+v, want %+v", ch, *p.of(ch), want)
		}
		if ok && string(hook.Secret) != testSecret {
			t.Errorf("%s: the hook's secret is %q, want it as in the file, without the end of its line", ch, hook.Secret)
		}
	}
}
