package readers

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// Poll asks again and again, and rests after an empty answer.
func Poll(ctx context.Context, t *Target) iter.Seq2[Item, error] {
	return polls(ctx, t, "poll", nil)
}

// LongPoll asks again and again for an answer that waits.
func LongPoll(ctx context.Context, t *Target) iter.Seq2[Item, error] {
	return polls(ctx, t, "longpoll", nil)
}

// JSONP is a long poll by script.
func JSONP(ctx context.Context, t *Target) iter.Seq2[Item, error] {
	return polls(ctx, t, "jsonp", url.Values{"callback": {"app.got"}, "wait": {"20"}})
}

// An answer is what a poll gets.
type answer struct {
	Entries []form `json:"entries"`
	Notices []form `json:"notices"`
	Cursor  string `json:"cursor"`
	Before  string `json:"before"`
	More    bool   `json:"more"`
}

func polls(ctx context.Context, t *Target, via string, query url.Values) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		now := *t
		for {
			a, err := now.ask(ctx, via, query)
			var items []Item
			if err == nil {
				items, err = a.items(len(t.Channels) > 1)
			}
			for _, it := range items {
				if !yield(it, nil) {
					return
				}
			}
			if err == nil && len(items) == 1 && via == "poll" { // nothing but where it stands
				err = t.rest(ctx)
			}
			if err != nil {
				yield(Item{}, err)
				return
			}
			now.Cursors, now.LastEventID = []string{a.Cursor}, false
		}
	}
}

func (t *Target) rest(ctx context.Context) error {
	pause := t.Pause
	if pause == 0 {
		pause = 10 * time.Millisecond
	}
	select {
	case <-time.After(pause):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// ask asks once.
func (t *Target) ask(ctx context.Context, via string, query url.Values) (*answer, error) {
	resp, err := t.get(ctx, via, query)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	at := resp.Header.Get("Pabal-Cursor")
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if at == "" && via != "jsonp" {
		return nil, fmt.Errorf("status %d without Pabal-Cursor", resp.StatusCode)
	}
	if resp.StatusCode != http.StatusOK {
		if len(body) > 0 {
			return nil, fmt.Errorf("status %d with a body", resp.StatusCode)
		}
		return &answer{Cursor: at}, nil
	}
	media := "application/json"
	if via == "jsonp" {
		media = "application/javascript"
		if body, err = called(body, "/**/app.got(", ");\n"); err != nil {
			return nil, err
		}
	}
	if err := expect(resp, media); err != nil {
		return nil, err
	}
	a := &answer{}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(a); err != nil || a.Cursor != at {
		return nil, &StatusError{Status: resp.StatusCode, Header: resp.Header, Body: body}
	}
	return a, nil
}

// called returns what is between a call's parentheses.
func called(text []byte, before, after string) ([]byte, error) {
	inner, ok1 := bytes.CutPrefix(text, []byte(before))
	inner, ok2 := bytes.CutSuffix(inner, []byte(after))
	if !ok1 || !ok2 {
		return nil, fmt.Errorf("%.200q does not begin with %q and end with %q", text, before, after)
	}
	return inner, nil
}

// items returns what a holds, in order: a notice of something missing comes
// after the entry that it begins at, or first, and an end last.
func (a *answer) items(several bool) ([]Item, error) {
	var items, last []Item
	for i := range a.Entries {
		e, err := a.Entries[i].item()
		if err != nil {
			return nil, err
		}
		items = append(items, e)
	}
	first := 0
	for i := range a.Notices {
		n, err := a.Notices[i].item()
		if err != nil {
			return nil, err
		}
		if n.Notice == "$closed" {
			last = append(last, n)
			continue
		}
		after := slices.IndexFunc(items, func(it Item) bool { return it.Channel == n.Channel && it.Notice == "" && it.Cursor == n.From })
		if after < 0 {
			after, first = first-1, first+1
		}
		items = slices.Insert(items, after+1, n)
	}
	at := Item{Notice: At, Cursor: a.Cursor}
	if several {
		at.Cursor, at.Vector = "", a.Cursor
	}
	return append(append(items, last...), at), nil
}
