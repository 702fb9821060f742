package chaos

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

	"github.com/pabal/pabal/internal/ledger"
	"github.com/pabal/pabal/internal/readers"
)

var sumSeed = maphash.MakeSeed()

// entryOf returns what data says it is: it begins with a token.
func entryOf(cursor string, data []byte) ledger.Entry {
	token, _, _ := strings.Cut(string(data), " ")
	return ledger.Entry{Cursor: cursor, Token: token, Sum: maphash.Bytes(sumSeed, data)}
}

// do sends a request. An answer that is neither 200 nor 204 is a
// [readers.StatusError].
func do(ctx context.Context, c *http.Client, method, url string, header http.Header, body []byte) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	for name, values := range header {
		r.Header[name] = values
	}
	resp, err := c.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusNoContent {
		return nil, &readers.StatusError{Status: resp.StatusCode, Header: resp.Header, Body: text}
	}
	return text, nil
}

// read polls channel after the cursor from, or from its beginning, to its end.
func read(ctx context.Context, c *http.Client, base, channel, from string) (entries []ledger.Entry, err error) {
	type item struct{ Notice, Cursor, ID, Data string }
	for more := true; more; {
		query := url.Values{"via": {"poll"}, "since": {"all"}}
		if from != "" {
			query = url.Values{"via": {"poll"}, "cursor": {from}}
		}
		text, err := do(ctx, c, http.MethodGet, base+"/channels/"+channel+"?"+query.Encode(), nil, nil)
		if err != nil {
			return nil, err
		}
		var a struct {
			Entries, Notices []item
			Cursor           string
			More             bool
		}
		if len(text) > 0 {
			if err := json.Unmarshal(text, &a); err != nil {
				return nil, fmt.Errorf("%.200q: %w", text, err)
			}
		}
		if len(a.Notices) > 0 {
			return nil, fmt.Errorf("%s after %q: an unexpected notice %+v", channel, from, a.Notices)
		}
		for _, it := range a.Entries {
			e := entryOf(it.Cursor, []byte(it.Data))
			if it.ID != "" && it.ID != e.Token {
				return nil, fmt.Errorf("%s: %s at %s has the ID %q", channel, e.Token, e.Cursor, it.ID)
			}
			entries = append(entries, e)
		}
		from, more = a.Cursor, a.More
	}
	return entries, nil
}
