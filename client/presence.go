package client

import (
	"bytes"
	"context"
	"encoding/json"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/pabal/pabal"
)

// A Member is a connection that is present in a channel.
type Member struct {
	Key  string          // tells it apart, and is no secret
	User string          // who it is; empty: nobody knows
	Data json.RawMessage // what is shown of it; nil: nothing
}

// A Change says how the set of those who are present is another.
type Change struct {
	Kind    string   // "set": it is Members now; or "join", "change", "leave": of Member
	Member  Member   // of a leave: as it was
	Members []Member // by key
}

// Present yields who is present in ch: first the whole set, then each change,
// until ctx ends or a failure that trying again cannot mend. The set may come
// again, where changes were missed. Where the server keeps only counts, it is
// empty: see [Client.Who].
func (c *Client) Present(ctx context.Context, ch pabal.Channel) iter.Seq2[Change, error] {
	return func(yield func(Change, error) bool) {
		if err := c.check(ch); err != nil {
			yield(Change{}, err)
			return
		}
		log := pabal.Presence + ch
		for {
			s := set{}
			at, err := c.present(ctx, log, s)
			if err != nil {
				yield(Change{}, err)
				return
			}
			if !yield(Change{Kind: "set", Members: s.sorted()}, nil) {
				return
			}
			if again := c.changes(ctx, log, at, s, yield); !again {
				return
			}
		}
	}
}

// present reads who is there into s, and returns the cursor that it is true at.
func (c *Client) present(ctx context.Context, log pabal.Channel, s set) (at string, err error) {
	for r := (Range{Since: "all", Latest: true}); ; r = (Range{Cursor: at, Latest: true}) {
		page, err := c.Read(ctx, log, r)
		if err != nil {
			return "", err
		}
		for _, e := range page.Entries {
			s.take(e)
		}
		if at = page.Cursor; !page.More {
			return at, nil
		}
	}
}

// changes yields what changes s. It reports whether to begin anew, since
// changes were missed.
func (c *Client) changes(ctx context.Context, log pabal.Channel, at string, s set, yield func(Change, error) bool) (again bool) {
	sub := c.Subscribe(Options{Channels: []pabal.Channel{log}, Cursors: map[pabal.Channel]string{log: at}})
	for event, err := range sub.Events(ctx) {
		if err != nil {
			yield(Change{}, err)
			return false
		}
		if n := event.Notice; n != nil && (n.Kind == pabal.NoticeGap || n.Kind == pabal.NoticeReset) {
			return true
		}
		if event.Entry == nil {
			continue
		}
		if change, ok := s.take(event.Entry); ok && !yield(change, nil) {
			return false
		}
	}
	return false
}

// A set is who is present, by key.
type set map[string]Member

// take makes s what e says, and reports whether that is a change.
func (s set) take(e *pabal.Entry) (change Change, ok bool) {
	var body struct {
		User string          `json:"user"`
		Data json.RawMessage `json:"data"`
	}
	old, known := s[e.Key]
	switch e.Type {
	case "leave":
		delete(s, e.Key)
		return Change{Kind: "leave", Member: old}, known
	case "join", "change":
	default:
		return Change{}, false
	}
	if json.Unmarshal(e.Data, &body) != nil {
		return Change{}, false
	}
	m := Member{Key: e.Key, User: body.User, Data: body.Data}
	s[e.Key] = m
	if !known {
		return Change{Kind: "join", Member: m}, true
	}
	return Change{Kind: "change", Member: m}, m.User != old.User || !bytes.Equal(m.Data, old.Data)
}

func (s set) sorted() []Member {
	return slices.SortedFunc(maps.Values(s), func(a, b Member) int { return strings.Compare(a.Key, b.Key) })
}

// A Roster is who is present in a channel, by who they are: somebody with
// several connections is there once.
type Roster struct {
	Users       []User `json:"users"`       // by name
	Anonymous   int    `json:"anonymous"`   // connections of whom it is not known who they are
	Connections int    `json:"connections"` // all of them
	Cursor      string `json:"cursor"`      // of $presence/<channel>, after which the changes are that follow
}

// A User is present in a channel.
type User struct {
	Name        string          `json:"user"`
	Data        json.RawMessage `json:"data"` // what is shown of it; nil: nothing
	Connections int             `json:"connections"`
}

// Who returns who is present in ch now. It repeats the request as
// [Client.Read] does.
func (c *Client) Who(ctx context.Context, ch pabal.Channel) (Roster, error) {
	if err := c.check(ch); err != nil {
		return Roster{}, err
	}
	var r Roster
	_, err := c.repeat(ctx, func() error {
		text, _, err := c.get(ctx, c.at("/presence/"+string(ch), nil))
		if err != nil {
			return err
		}
		if r = (Roster{}); json.Unmarshal(text, &r) != nil {
			return garbled("who is present was answered with %.80q", text)
		}
		return nil
	})
	if err != nil {
		return Roster{}, err
	}
	return r, nil
}
