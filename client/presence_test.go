package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/client"
	"github.com/pabal/pabal/embed"
)

// changes has c tell who is present in ch, in the background, as
// "kind user data", until the test ends.
func changes(t *testing.T, c *client.Client, ch pabal.Channel) (now func() []string) {
	ctx, cancel := context.WithCancel(t.Context())
	told, ended := make(chan string, 1000), make(chan struct{})
	t.Cleanup(func() { cancel(); <-ended })
	go func() {
		defer close(ended)
		for change, err := range c.Present(ctx, ch) {
			switch {
			case errors.Is(err, context.Canceled):
			case err != nil:
				t.Errorf("present: %v", err)
			case change.Kind == "set":
				told <- fmt.Sprint("set ", len(change.Members))
			default:
				told <- strings.TrimSpace(fmt.Sprintf("%s %s %s", change.Kind, change.Member.User, change.Member.Data))
			}
		}
	}()
	return func() (all []string) {
		synctest.Wait()
		for len(told) > 0 {
			all = append(all, <-told)
		}
		return all
	}
}

// reads has c read ch, present, in the background, and returns what it was
// given and how to end it.
func reads(t *testing.T, c *client.Client, o client.Options) (events func() []client.Event, end func()) {
	ctx, cancel := context.WithCancel(t.Context())
	given, ended := make(chan client.Event, 1000), make(chan struct{})
	go func() {
		defer close(ended)
		for event, err := range c.Subscribe(o).Events(ctx) {
			if err == nil {
				given <- event
			} else if ctx.Err() == nil {
				t.Errorf("reading: %v", err)
			}
		}
	}()
	return func() (all []client.Event) {
			synctest.Wait()
			for len(given) > 0 {
				all = append(all, <-given)
			}
			return all
		}, func() {
			cancel()
			<-ended
		}
}

// Who joins is present for as long as it reads, by each technique, and what is
// read beside because of that is not shown.
func TestJoin(t *testing.T) {
	each(t, func(t *testing.T, via string) {
		base := serve(t, whole(t, embed.Config{Access: gate{anonymous: true}}), nil)
		alice := as(base, (&signer{user: "alice", life: 3 * time.Minute}).token)
		seen := changes(t, base, "chat")
		if got := seen(); !slices.Equal(got, []string{"set 0"}) {
			t.Errorf("at first: got %q", got)
		}
		o := client.Options{Channels: []pabal.Channel{"chat"}, Via: via, Join: true, Data: json.RawMessage(`{"name":"Alice"}`)}
		given, end := reads(t, alice, o)
		pause(3 * time.Second)
		if got := seen(); !slices.Equal(got, []string{`join alice {"name":"Alice"}`}) {
			t.Errorf("once joined: got %q", got)
		}
		for i := range 10 {
			if _, err := base.Publish(t.Context(), "chat", pabal.Message{Data: fmt.Append(nil, i)}); err != nil {
				t.Fatal(err)
			}
			pause(2 * time.Minute)
		}
		var got []string
		for _, e := range given() {
			switch {
			case e.Entry != nil && e.Entry.Channel == "chat":
				got = append(got, string(e.Entry.Data))
			case e.Entry != nil || strings.Contains(fmt.Sprint(*e.Notice), pabal.Inbox):
				t.Errorf("got %+v %+v, which was not asked for", e.Entry, e.Notice)
			}
		}
		if !slices.Equal(got, numbers(0, 9)) {
			t.Errorf("got %q", got)
		}
		if got := seen(); got != nil {
			t.Errorf("while tokens were renewed: got %q, want it to stay", got)
		}
		who, err := base.Who(t.Context(), "chat")
		if err != nil || len(who.Users) != 1 || who.Users[0].Name != "alice" || who.Connections != 1 || who.Cursor == "" {
			t.Errorf("who: got %+v, %v", who, err)
		}
		end()
		pause(2 * time.Minute)
		if got := seen(); !slices.Equal(got, []string{`leave alice {"name":"Alice"}`}) {
			t.Errorf("once it has left: got %q", got)
		}
	})
}

// Who joins a channel that is closed comes to an end, though its inbox goes on;
// and goes on where it was.
func TestJoinEnds(t *testing.T) {
	each(t, func(t *testing.T, via string) {
		c := serve(t, whole(t, embed.Config{}), nil)
		for i := range 4 {
			for _, ch := range []pabal.Channel{"a", "b"} {
				if _, err := c.Publish(t.Context(), ch, pabal.Message{Data: fmt.Append(nil, i)}); err != nil {
					t.Fatal(err)
				}
			}
		}
		o := client.Options{Channels: []pabal.Channel{"a", "b"}, Via: via, Join: true, Since: "all"}
		sub, n := c.Subscribe(o), 0
		got := map[pabal.Channel][]string{}
		for event, err := range sub.Events(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			if e := event.Entry; e != nil {
				got[e.Channel] = append(got[e.Channel], string(e.Data))
				if n++; n == 5 {
					break
				}
			}
		}
		o.Cursors, o.Since = sub.Cursors(), ""
		if keys := slices.Sorted(maps.Keys(o.Cursors)); !slices.Equal(keys, []pabal.Channel{"a", "b"}) {
			t.Errorf("cursors of %q", keys)
		}
		for ch := range o.Cursors {
			if _, err := c.CloseChannel(t.Context(), ch); err != nil {
				t.Fatal(err)
			}
		}
		rest, notices := readAll(t, c.Subscribe(o))
		for _, ch := range o.Channels {
			if all := slices.Concat(got[ch], rest[ch]); !slices.Equal(all, numbers(0, 3)) {
				t.Errorf("%s: got %q", ch, all)
			}
		}
		if !slices.Equal(notices, []string{"$closed", "$closed"}) {
			t.Errorf("notices: got %q", notices)
		}
	})
}

// The set is told anew where changes were missed.
func TestPresentAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := whole(t, embed.Config{})
		c := serve(t, n, nil)
		_, end := reads(t, c, client.Options{Channels: []pabal.Channel{"chat"}, Via: "sse", Join: true})
		defer end()
		pause(time.Second)
		seen := changes(t, c, "chat")
		if got := seen(); !slices.Equal(got, []string{"set 1"}) {
			t.Errorf("at first: got %q", got)
		}
		if err := n.Hub().Delete(t.Context(), pabal.Grant{Own: true}, pabal.Presence+"chat"); err != nil {
			t.Fatal(err)
		}
		if _, err := n.Hub().Publish(t.Context(), pabal.Grant{Own: true}, pabal.Presence+"chat", pabal.Publish{Messages: []pabal.Message{{Type: "join", Key: "other", ContentType: "application/json", Data: []byte(`{"user":"bob"}`)}}}); err != nil {
			t.Fatal(err)
		}
		if got := seen(); len(got) == 0 || !strings.HasPrefix(got[0], "set ") {
			t.Errorf("after the log was deleted: got %q", got)
		}
	})
}

func TestOptionsOfPresence(t *testing.T) {
	chat := []pabal.Channel{"chat"}
	for want, o := range map[string]client.Options{
		"set Join":       {Channels: chat, Data: json.RawMessage(`{}`)},
		"must be JSON":   {Channels: chat, Join: true, Data: json.RawMessage(`{`)},
		"leave out Late": {Channels: chat, Join: true, Latest: true},
	} {
		for _, err := range (&client.Client{}).Subscribe(o).Events(t.Context()) {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%+v: got %v, want something about %q", o, err, want)
			}
		}
	}
}
