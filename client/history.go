package client

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/wire"
)

// A Range says which part of a channel's log to read. The zero Range begins at
// the first entry that is kept.
type Range struct {
	// One of these at most says where the part lies: it begins at Since ("all",
	// the last "20", "10m" ago, or a time as in RFC 3339), or after Cursor; or it
	// is the newest that lies before Before.
	Since, Cursor, Before string

	Limit  int  // entries at most; 1,000, which is also the most
	Latest bool // of entries with the same key, only the last
}

// A Page is a part of a channel's log: what lies after the cursor Before up to
// Cursor, so that reading can go on from it both ways.
//
//	page, err := c.Read(ctx, "chat", client.Range{Since: "50"})
//	older, err := c.Read(ctx, "chat", client.Range{Before: page.Before, Limit: 50})
//	newer := c.Subscribe(client.Options{Channels: chat, Cursors: map[pabal.Channel]string{"chat": page.Cursor}})
type Page struct {
	Entries []*pabal.Entry // in the order of the log
	Notices []*Notice      // what is to be said of them, each with the cursor where it belongs
	Before  string
	Cursor  string
	More    bool // there is more already, in the direction of reading
}

// Read reads a part of channel's log, which is there already. It repeats the
// request while the server is not reached or asks to come back, until ctx
// ends: the error is then its cause. A refusal is an [*Error].
func (c *Client) Read(ctx context.Context, channel pabal.Channel, r Range) (Page, error) {
	query, err := r.query()
	if err == nil {
		err = c.check(channel)
	}
	if err != nil {
		return Page{}, err
	}
	to := c.at("/channels/"+string(channel), query)
	var page Page
	_, err = c.repeat(ctx, func() (err error) {
		page, err = c.page(ctx, to)
		return err
	})
	page.Before = cmp.Or(page.Before, r.Cursor)
	if err != nil {
		return Page{}, err
	}
	return page, nil
}

func (r *Range) query() (url.Values, error) {
	query := url.Values{"via": {"poll"}}
	places := 0
	for name, value := range map[string]string{"since": r.Since, "cursor": r.Cursor, "before": r.Before} {
		if value != "" {
			query.Set(name, value)
			places++
		}
	}
	if places > 1 {
		return nil, errors.New("read: give one of Since, Cursor and Before")
	}
	if r.Limit != 0 {
		query.Set("limit", strconv.Itoa(r.Limit))
	}
	if r.Latest {
		query.Set("only", "latest")
	}
	return query, nil
}

// get gets what is at to, of type application/json; nil and a cursor if there
// is nothing.
func (c *Client) get(ctx context.Context, to string) (text []byte, cursor string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 4*answerTime)
	defer cancel()
	resp, err := c.do(ctx, http.MethodGet, to, nil, nil)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNoContent {
		return nil, resp.Header.Get("Pabal-Cursor"), nil
	}
	if err := is(resp, "application/json"); err != nil {
		return nil, "", err
	}
	text, err = io.ReadAll(io.LimitReader(resp.Body, maxFrame))
	return text, "", err
}

// page gets one page.
func (c *Client) page(ctx context.Context, to string) (p Page, err error) {
	text, cursor, err := c.get(ctx, to)
	if err != nil {
		return p, err
	}
	if text == nil {
		return Page{Cursor: cursor}, nil
	}
	a, err := wire.ParseAnswer(text)
	if err != nil {
		return p, garbled("%v", err)
	}
	return Page{Entries: a.Entries, Notices: a.Notices, Before: a.Before, Cursor: a.Cursor, More: a.More}, nil
}
