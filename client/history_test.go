package client_test

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/client"
)

func texts(p client.Page) string {
	var all []string
	for _, e := range p.Entries {
		all = append(all, string(e.Data))
	}
	return strings.Join(all, ",")
}

// A chat shows its last entries, loads older ones, and follows the newer,
// through a network that breaks.
func TestReadBothWays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := serve(t, node(t), cuts(1))
		for i := range 10 {
			if _, err := c.Publish(t.Context(), "chat", pabal.Message{Data: []byte(strconv.Itoa(i))}); err != nil {
				t.Fatal(err)
			}
		}
		read := func(r client.Range) client.Page {
			p, err := c.Read(t.Context(), "chat", r)
			if err != nil || len(p.Notices) > 0 {
				t.Fatalf("%+v: got %+v, %v", r, p, err)
			}
			return p
		}
		begun := read(client.Range{Since: "4"})
		var older []string
		for page := (client.Page{Before: begun.Before, More: true}); page.More; {
			page = read(client.Range{Before: page.Before, Limit: 4})
			older = append([]string{texts(page)}, older...)
		}
		if got := strings.Join(older, " ") + " " + texts(begun); got != "0,1 2,3,4,5 6,7,8,9" {
			t.Errorf("got the pages %s", got)
		}
		if p := read(client.Range{Cursor: begun.Cursor}); len(p.Entries) > 0 || p.Cursor != begun.Cursor || p.Before != begun.Cursor {
			t.Errorf("after the end: got %+v", p)
		}
		if p := read(client.Range{Cursor: begun.Before, Limit: 1}); texts(p) != "6" || !p.More || p.Before != begun.Before {
			t.Errorf("after a cursor: got %+v", p)
		}
		if p, err := c.Read(t.Context(), "chat", client.Range{Latest: true}); texts(p) != "9" || len(p.Notices) != 1 || err != nil {
			t.Errorf("the latest: got %+v, %v; want what was skipped and 9", p, err)
		}
	})
}

func TestReadRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := serve(t, node(t), nil)
		for _, r := range []client.Range{{Since: "all", Before: "1-1"}, {Cursor: "1-1", Before: "1-1"}} {
			if _, err := c.Read(t.Context(), "chat", r); err == nil {
				t.Errorf("%+v: want an error", r)
			}
		}
		var refused *client.Error
		if _, err := c.Read(t.Context(), "chat", client.Range{Before: "x"}); !errors.As(err, &refused) || refused.Status != http.StatusBadRequest {
			t.Errorf("no cursor: got %v", err)
		}
		p, err := c.Read(t.Context(), "chat", client.Range{Before: "1-1"})
		if err != nil || len(p.Notices) != 1 || p.Notices[0].Kind != pabal.NoticeReset {
			t.Errorf("another store: got %+v, %v; want to be told", p, err)
		}
	})
}

// Writers that each publish only after what they have read agree on an order,
// and none publishes twice.
func TestPublishIf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		handler := node(t)
		steady := serve(t, handler, nil)
		const each = 5
		done := make(chan error)
		for seed := range uint64(3) {
			c := serve(t, handler, cuts(seed))
			go func() {
				at := ""
				done <- func() error {
					for n := 0; n < each; {
						page, err := c.Read(t.Context(), "chat", client.Range{Cursor: at})
						if err != nil {
							return err
						}
						at = page.Cursor
						_, err = c.PublishIf(t.Context(), "chat", at, pabal.Message{Data: []byte("after " + at)})
						var refused *client.Error
						switch {
						case err == nil:
							n++
						case !errors.Is(err, pabal.ErrMoved):
							return err
						case !errors.As(err, &refused) || refused.Cursor == "" || refused.Cursor == at:
							return errors.New("it is not said where the end is: " + err.Error())
						}
					}
					return nil
				}()
			}()
		}
		for range 3 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		all, err := steady.Read(t.Context(), "chat", client.Range{})
		if err != nil || len(all.Entries) != 3*each {
			t.Fatalf("got %d entries, %v; want %d", len(all.Entries), err, 3*each)
		}
		at := all.Before
		if !slices.ContainsFunc(all.Entries, func(e *pabal.Entry) bool {
			wrong := string(e.Data) != "after "+at
			at = e.Position().String()
			return wrong
		}) {
			return
		}
		t.Errorf("some were published elsewhere than after what was read: %s", texts(all))
	})
}
