// Package readers reads channels by every technique, straight from the wire.
// It shares no code with the server, nor with package client, so that the
// conformance suite and the soak can hold both against it. It is strict: what
// the documents do not promise is an error.
//
// Each technique is a function that yields what comes until the response ends
// or breaks, or the caller stops; a poll asks again and again. A [Place] keeps
// where a reader stands, so that any technique can go on where another was
// broken off, and a [Follower] does so until its channels are closed.
package readers

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// A Target is what to read, and from where.
type Target struct {
	URL         string // of the server, without a path
	Client      *http.Client
	Channels    []string
	Cursors     []string // one for each channel, or the one vector; nil: as Since says
	Since       string   // "all", if empty
	LastEventID bool     // the one cursor goes into the header
	Query       url.Values
	Header      http.Header
	Pause       time.Duration // of poll, between empty answers; 10 ms
}

// An Item is an entry, a notice, or [At].
type Item struct {
	Notice      string // its kind, such as "$gap"; empty for an entry
	Channel     string
	Cursor      string // in Channel; empty if the technique does not say
	Vector      string // over all channels, the item taken; empty if the technique does not say
	Type        string
	ID          string
	Key         string
	ContentType string
	Data        []byte
	Opaque      bool // the technique shows only how long the data is: zeros stand for it
	Detail
}

// Detail is what only notices say.
type Detail struct {
	From       string   `json:"from"`
	To         string   `json:"to"`
	Reason     string   `json:"reason"`
	Count      int      `json:"count"`
	Heartbeat  float64  `json:"heartbeat"`
	Connection string   `json:"connection"`
	Channels   []string `json:"channels"`
	Cursors    []string `json:"cursors"`
}

// At is the Notice of an item that says only where the reader stands, as an
// answer to a poll does.
const At = "at"

// A Technique is a way to read.
type Technique struct {
	Name    string
	Cursors bool // entries come with their cursors, so that the reader can go on by another technique
	Several bool // reads several channels at once
	Socket  bool // needs a client that speaks HTTP/1.1 alone
	Answers bool // polls: an item comes only once its answer is whole
	Read    func(context.Context, *Target) iter.Seq2[Item, error]
}

// All are the techniques.
var All = []*Technique{
	{Name: "poll", Cursors: true, Several: true, Answers: true, Read: Poll},
	{Name: "longpoll", Cursors: true, Several: true, Answers: true, Read: LongPoll},
	{Name: "jsonp", Cursors: true, Several: true, Answers: true, Read: JSONP},
	{Name: "stream", Cursors: true, Several: true, Read: Stream},
	{Name: "sse", Cursors: true, Several: true, Read: SSE},
	{Name: "multipart", Cursors: true, Several: true, Read: Multipart},
	{Name: "iframe", Cursors: true, Several: true, Read: Iframe},
	{Name: "page", Cursors: true, Several: true, Read: Page},
	{Name: "websocket", Cursors: true, Several: true, Socket: true, Read: WebSocket},
	{Name: "raw-entry", Cursors: true, Socket: true, Read: RawEntry},
	{Name: "raw", Socket: true, Read: Raw},
}

// Named returns the technique of that name. It panics if there is none.
func Named(name string) *Technique {
	for _, t := range All {
		if t.Name == name {
			return t
		}
	}
	panic("no technique is named " + name)
}

// A StatusError is an answer that is not what was asked for.
type StatusError struct {
	Status int
	Header http.Header
	Body   []byte
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("status %d: %.300s", e.Status, e.Body)
}

// Problem returns the problem that the body holds, if it does.
func (e *StatusError) Problem() (p Problem, ok bool) {
	return p, json.Unmarshal(e.Body, &p) == nil && p.Status != 0
}

// A Problem is what RFC 9457 knows, and what Pabal adds.
type Problem struct {
	Type       string `json:"type"`
	Title      string `json:"title"`
	Status     int    `json:"status"`
	Detail     string `json:"detail"`
	Limit      string `json:"limit"`
	Max        int64  `json:"max"`
	RetryAfter int64  `json:"retryAfter"`
}

// Address returns the URL that t asks for by the technique via.
func (t *Target) Address(via string, more url.Values) string {
	query := url.Values{"via": {via}}
	path := "/channels"
	if len(t.Channels) == 1 {
		path += "/" + t.Channels[0]
	} else {
		query["channel"] = t.Channels
	}
	switch {
	case t.LastEventID && len(t.Cursors) == 1:
	case len(t.Cursors) > 0:
		query["cursor"] = t.Cursors
	case t.Since == "":
		query.Set("since", "all")
	default:
		query.Set("since", t.Since)
	}
	for _, values := range []url.Values{more, t.Query} {
		for name, list := range values {
			query[name] = list
		}
	}
	if via == "" {
		query.Del("via")
	}
	return strings.TrimSuffix(t.URL, "/") + path + "?" + query.Encode()
}

func (t *Target) header() http.Header {
	h := t.Header.Clone()
	if h == nil {
		h = http.Header{}
	}
	if t.LastEventID && len(t.Cursors) == 1 {
		h.Set("Last-Event-ID", t.Cursors[0])
	}
	return h
}

// get asks for t by the technique via. An answer that is neither 200, 204 nor
// 304 is a [StatusError].
func (t *Target) get(ctx context.Context, via string, more url.Values) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, t.Address(via, more), nil)
	if err != nil {
		return nil, err
	}
	r.Header = t.header()
	resp, err := t.Client.Do(r)
	if err != nil {
		return nil, err
	}
	switch resp.StatusCode {
	case http.StatusOK, http.StatusNoContent, http.StatusNotModified:
		return resp, nil
	}
	return nil, statusError(resp)
}

func statusError(resp *http.Response) error {
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
	if err != nil {
		return err
	}
	return &StatusError{Status: resp.StatusCode, Header: resp.Header, Body: body}
}

// expect reports an error if resp is not of the media type.
func expect(resp *http.Response, media string) error {
	got, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";")
	if resp.StatusCode != http.StatusOK || got != media {
		return fmt.Errorf("status %d of type %q, want 200 of type %q", resp.StatusCode, resp.Header.Get("Content-Type"), media)
	}
	return nil
}
