package pabal_test

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/pabal/pabal"
)

type rules map[pabal.Action]map[pabal.Channel]bool

func (r rules) Allow(a pabal.Action, ch pabal.Channel) bool { return r[a][ch] }

// Who may do what with which channel.
func TestGrantCheck(t *testing.T) {
	anyone := pabal.Grant{}
	alice := pabal.Grant{User: "alice", Connection: "c1", Rules: rules{
		pabal.ToRead:    {"chat": true, "$host/cpu": true, "$user/bob": true, "$conn/c2": true, "$-/x": true, "$presence/secret": true},
		pabal.ToPublish: {"chat": true, "$user/bob": true, "$conn/c1": true, "$presence/chat": true},
		pabal.ToCall:    {"shop": true, "$calls/shop": true},
		pabal.ToSee:     {"chat": true},
	}}
	for _, c := range []struct {
		grant pabal.Grant
		do    pabal.Action
		ch    pabal.Channel
		want  bool
	}{
		{anyone, pabal.ToRead, "chat", true}, {anyone, pabal.ToPublish, "chat", true}, {anyone, pabal.ToCall, "chat", true}, {anyone, pabal.ToSee, "chat", true},
		{anyone, pabal.ToRead, "$host/cpu", true}, {anyone, pabal.ToRead, "$presence/chat", true}, {anyone, pabal.ToRead, "$calls/chat", true},
		{anyone, pabal.ToPublish, "$user/bob", true}, {anyone, pabal.ToPublish, "$host/cpu", false}, {anyone, pabal.ToPublish, "$presence/chat", false},
		{anyone, pabal.ToPublish, "$calls/chat", false}, {anyone, pabal.ToRead, "$user/", false}, {anyone, pabal.ToRead, "$user/bob", false},
		{anyone, pabal.ToRead, "$conn/c1", false}, {anyone, pabal.ToRead, "$-/lease", false}, {anyone, pabal.ToRead, "$presence/$conn/c1", false},
		{anyone, pabal.ToSee, "$host/cpu", false}, {anyone, pabal.ToCall, "$host/cpu", false},

		{alice, pabal.ToRead, "chat", true}, {alice, pabal.ToRead, "other", false}, {alice, pabal.ToRead, "$host/cpu", true}, {alice, pabal.ToRead, "$host/load", false},
		{alice, pabal.ToRead, "$user/alice", true}, {alice, pabal.ToRead, "$user/bob", false}, {alice, pabal.ToRead, "$conn/c1", true}, {alice, pabal.ToRead, "$conn/c2", false},
		{alice, pabal.ToRead, "$presence/chat", true}, {alice, pabal.ToRead, "$presence/secret", false}, {alice, pabal.ToRead, "$-/x", false}, {alice, pabal.ToRead, "$conn", false},
		{alice, pabal.ToPublish, "chat", true}, {alice, pabal.ToPublish, "$user/bob", true}, {alice, pabal.ToPublish, "$user/eve", false},
		{alice, pabal.ToPublish, "$conn/c1", false}, {alice, pabal.ToPublish, "$presence/chat", false},
		{alice, pabal.ToCall, "shop", true}, {alice, pabal.ToCall, "chat", false}, {alice, pabal.ToCall, "$calls/shop", false}, {alice, pabal.ToRead, "$calls/shop", false},
		{pabal.Grant{Own: true}, pabal.ToPublish, "$conn/c1", true},
	} {
		if got := c.grant.Check(c.do, c.ch) == nil; got != c.want {
			t.Errorf("%q may %v %q: %v, want %v", c.grant.User, c.do, c.ch, got, c.want)
		}
	}
}

// The inbox of a user is one channel, and of nobody else.
func TestInboxOf(t *testing.T) {
	seen := map[pabal.Channel]string{}
	for _, user := range []string{"alice", "a/b", "a:2Fb", "a:b", "..", ".", "...", "a.b", "a@b.c", "auth0|7", "é", "$x", "\x00", "a b"} {
		ch := pabal.InboxOf(user)
		if _, err := pabal.ParseChannel(string(ch)); err != nil {
			t.Errorf("%q: %v", user, err)
		}
		if other, ok := seen[ch]; ok {
			t.Errorf("%q and %q have one inbox, %s", user, other, ch)
		}
		seen[ch] = user
	}
	var vectors struct {
		Inboxes []struct {
			User    string
			Channel pabal.Channel
		}
	}
	text, err := os.ReadFile("spec/vectors/names.json")
	if err == nil {
		err = json.Unmarshal(text, &vectors)
	}
	if err != nil || len(vectors.Inboxes) == 0 {
		t.Fatal(len(vectors.Inboxes), err)
	}
	for _, v := range vectors.Inboxes {
		if got := pabal.InboxOf(v.User); got != v.Channel {
			t.Errorf("the inbox of %q is %s, want %s", v.User, got, v.Channel)
		}
	}
}
