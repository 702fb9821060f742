package presence

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/pabal/pabal"
)

// A List is who is in a channel, by identity.
type List struct {
	Users       []User         `json:"users"`       // by name
	Anonymous   int            `json:"anonymous"`   // connections of nobody known
	Connections int            `json:"connections"` // all, also where only counts are kept
	Cursor      string         `json:"cursor"`      // from which "$presence/<channel>" goes on
	Position    pabal.Position `json:"-"`           // the same
}

// A User is one who is known, however many connections it has.
type User struct {
	User        string          `json:"user"`
	Data        json.RawMessage `json:"data,omitempty"` // what was given last, by any of them
	Connections int             `json:"connections"`
}

// View returns who is in ch. Members of nodes whose lease has run out do not
// count. It asks for no grant: that [pabal.ToSee] is allowed is for the caller
// to check.
func View(ctx context.Context, hub *pabal.Hub, ch pabal.Channel) (List, error) {
	began := time.Now()
	leases := roster{peers: map[string]*peer{}}
	return view(ctx, hub, ch, func() (func(string) bool, error) {
		err := readOnce(ctx, hub, leaseLog, pabal.FromAll(), func(items []pabal.Item, _ pabal.Position) {
			for _, item := range items {
				if item.Entry != nil {
					leases.observe(item.Entry, int64(time.Since(began)))
				}
			}
		})
		return func(node string) bool { return leases.dead(node, int64(time.Since(began))) }, err
	})
}

// View is as the function of that name, but knows the leases to the moment.
func (s *Service) View(ctx context.Context, ch pabal.Channel) (List, error) {
	return view(ctx, s.hub, ch, func() (func(string) bool, error) {
		err := s.readLeases(ctx)
		return func(node string) bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			return node != s.node && s.lease.dead(node, s.now())
		}, err
	})
}

// view reads who is in ch, and after that, from leases, whose node is dead.
func view(ctx context.Context, hub *pabal.Hub, ch pabal.Channel, leases func() (dead func(node string) bool, err error)) (List, error) {
	var l List
	last := map[string]*pabal.Entry{}
	err := readOnce(ctx, hub, pabal.Presence+ch, pabal.FromAll(), func(items []pabal.Item, end pabal.Position) {
		for _, item := range items {
			switch e := item.Entry; {
			case e != nil && e.Type == typeLeave:
				delete(last, e.Key)
			case e != nil:
				last[e.Key] = e
			case item.Notice.Kind == pabal.NoticeReset:
				clear(last)
			}
		}
		l.Position = end
	})
	if err != nil {
		return List{}, err
	}
	dead, err := leases()
	if err != nil {
		return List{}, err
	}
	users := map[string]*User{}
	inOrder := func(a, b *pabal.Entry) int { return cmp.Compare(a.Offset, b.Offset) }
	for _, e := range slices.SortedFunc(maps.Values(last), inOrder) {
		b := parse(e)
		switch {
		case !present(e, &b) || dead(b.Node):
		case e.Type == typeCount:
			l.Connections += *b.Connections
		case b.User == "":
			l.Anonymous++
			l.Connections++
		default:
			u := cmp.Or(users[b.User], &User{User: b.User})
			users[b.User] = u
			if b.Data != nil {
				u.Data = b.Data
			}
			u.Connections++
			l.Connections++
		}
	}
	l.Users = []User{}
	for _, name := range slices.Sorted(maps.Keys(users)) {
		l.Users = append(l.Users, *users[name])
	}
	l.Cursor = l.Position.String()
	return l, nil
}
