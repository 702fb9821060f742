package crash

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"hash/maphash"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/pabal/pabal/internal/ledger"
	"github.com/pabal/pabal/internal/readers"
)

var sumSeed = maphash.MakeSeed()

// entryOf returns what data says it is: it begins with a token.
func entryOf(cursor string, data []byte) ledger.Entry {
	token, _, _ := strings.Cut(string(data), " ")
	return ledger.Entry{Cursor: cursor, Token: token, Sum: maphash.Bytes(sumSeed, data)}
}

// A receipt answers a publish.
type receipt struct {
	Cursor    string
	Cursors   []string
	Duplicate bool
	Closed    bool
}

// do sends a request. An answer that is neither 200 nor 204 is a
// [readers.StatusError].
func do(ctx context.Context, c *http.Client, method, url string, header http.Header, body []byte) (http.Header, []byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	for name, values := range header {
		r.Header[name] = values
	}
	resp, err := c.Do(r)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, nil, err
	}
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusNoContent {
		return nil, nil, &readers.StatusError{Status: resp.StatusCode, Header: resp.Header, Body: text}
	}
	return resp.Header, text, nil
}

// An item is what a poll gets in its lists.
type item struct {
	Notice, Reason, Cursor, ID, Data string
	Time                             time.Time
}

// read polls channel after the cursor from, or from its beginning, to its end.
func read(ctx context.Context, c *http.Client, base, channel, from, only string) (entries []ledger.Entry, closed bool, err error) {
	var last time.Time
	for more := true; more; {
		query := url.Values{"via": {"poll"}, "since": {"all"}}
		if from != "" {
			query = url.Values{"via": {"poll"}, "cursor": {from}}
		}
		if only != "" {
			query.Set("only", only)
		}
		_, text, err := do(ctx, c, http.MethodGet, base+"/channels/"+channel+"?"+query.Encode(), nil, nil)
		if err != nil {
			return nil, false, err
		}
		var a struct {
			Entries, Notices []item
			Cursor           string
			More             bool
		}
		if len(text) > 0 {
			if err := json.Unmarshal(text, &a); err != nil {
				return nil, false, fmt.Errorf("%.200q: %w", text, err)
			}
		}
		for _, it := range a.Entries {
			e := entryOf(it.Cursor, []byte(it.Data))
			if it.ID != "" && it.ID != e.Token || it.Time.Before(last) {
				return nil, false, fmt.Errorf("%s: %s at %s has the ID %q and the time %v, after %v", channel, e.Token, e.Cursor, it.ID, it.Time, last)
			}
			last = it.Time
			entries = append(entries, e)
		}
		for _, n := range a.Notices {
			switch {
			case n.Notice == "$closed" && n.Reason == "closed":
				closed = true
			case n.Notice != "$skipped":
				return nil, false, fmt.Errorf("%s after %q: an unexpected notice %+v", channel, from, n)
			}
		}
		from, more = a.Cursor, a.More
	}
	return entries, closed, nil
}
