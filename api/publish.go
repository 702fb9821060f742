package api

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/problem"
	"github.com/pabal/pabal/internal/wire"
)

// ndjson is the content type of a batch: one message a line.
const ndjson = "application/x-ndjson"

// publish appends the body of r to ch: the bytes as they are, or with
// application/x-ndjson one message a line, all or none.
func (h *Handler) publish(w http.ResponseWriter, r *http.Request, ch pabal.Channel) error {
	query, err := parameters(r, "id", "type", "key", "close")
	if err != nil {
		return err
	}
	g, err := h.allowed(r, pabal.ToPublish, ch)
	if err != nil {
		return err
	}
	reserved, err := h.reserve(r)
	if err != nil {
		return err
	}
	defer h.bodies.Add(-reserved)
	p, batch, err := h.read(w, r, query)
	if err != nil {
		return err
	}
	done, err := h.Hub.Publish(r.Context(), g, ch, p)
	if errors.Is(err, pabal.ErrMoved) {
		return h.moved(r, ch)
	}
	if err != nil {
		return err
	}
	cursor := done.End.String()
	body := appendReceipt(nil, cursor, &done, batch, p.Close)
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Cache-Control", "no-store")
	header.Set("Pabal-Cursor", cursor)
	header.Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body) // a client that left learns the outcome by repeating
	return nil
}

// appendReceipt appends what answers a publish:
//
//	{"cursor":"…","cursors":["…"],"duplicate":false,"closed":true}
//
// Cursor is the very bytes that readers see on the entry, of a batch on its
// last. Cursors are of each message of a batch, and not there otherwise.
// Duplicate says that all had been published before; closed is there if the
// channel takes no more. Cursors need no escapes.
func appendReceipt(dst []byte, cursor string, done *pabal.Appended, batch, closed bool) []byte {
	each := done.Positions
	if !batch {
		each = nil
	}
	dst = slices.Grow(dst, 64+(1+len(each))*(len(cursor)+3))
	dst = append(append(append(dst, `{"cursor":"`...), cursor...), '"')
	for i, at := range each {
		if i == 0 {
			dst = append(dst, `,"cursors":["`...)
		} else {
			dst = append(dst, `","`...)
		}
		dst = at.Append(dst)
	}
	if len(each) > 0 {
		dst = append(dst, `"]`...)
	}
	dst = strconv.AppendBool(append(dst, `,"duplicate":`...), done.Duplicate)
	if closed {
		dst = append(dst, `,"closed":true`...)
	}
	return append(dst, '}', '\n')
}

// reserve keeps room for r's body, so that bodies which come slowly cannot
// take all memory. What it returns must be taken off h.bodies again.
func (h *Handler) reserve(r *http.Request) (size int64, err error) {
	size = r.ContentLength
	if size < 0 { // it does not say
		size = int64(h.Hub.Limits().MessageBytes)
	}
	most := cmp.Or(h.BodyBytes, 256<<20)
	if h.bodies.Add(size) > most && size < most {
		h.bodies.Add(-size)
		return 0, &pabal.LimitError{Limit: "body-bytes", Max: int(most), What: "one more body to read", Retry: time.Second}
	}
	return size, nil
}

// read reads what r, whose query is parsed already, publishes. batch says that
// it came as NDJSON.
func (h *Handler) read(w http.ResponseWriter, r *http.Request, query url.Values) (p pabal.Publish, batch bool, err error) {
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
		return p, false, &problem.Problem{Status: http.StatusUnsupportedMediaType, Detail: fmt.Sprintf("Content-Encoding %.40q is not known here; send the body as it is", encoding)}
	}
	if query.Has("id") && query.Get("id") == "" {
		return p, false, problem.BadRequest("?id= is empty: give the message an id, or leave it out")
	}
	p.BatchID = strings.Trim(r.Header.Get("Idempotency-Key"), `"`)
	if p.Close = query.Has("close"); p.Close && query.Get("close") != "" && query.Get("close") != "true" {
		return p, false, problem.BadRequest("?close=%.40s: give ?close to close the channel, and leave it out otherwise", query.Get("close"))
	}
	if p.If, err = condition(r.Header.Values("If-Match")); err != nil {
		return p, false, err
	}
	contentType, err := plain(r.Header.Get("Content-Type"))
	if err != nil {
		return p, false, err
	}
	media, _, _ := strings.Cut(contentType, ";")
	if strings.EqualFold(strings.TrimSpace(media), ndjson) {
		for _, name := range []string{"id", "type", "key"} {
			if query.Has(name) {
				return p, true, problem.BadRequest("?%s= is for one message; in a batch each line has its own", name)
			}
		}
		limits := h.Hub.Limits()
		// Base64 and the members around the data take up to half as much again.
		body, err := readBody(w, r, "batch-bytes", limits.BatchBytes, 2*limits.BatchBytes+limits.BatchMessages*64)
		if err != nil {
			return p, true, err
		}
		if p.Messages, err = wire.ParseMessages(body, limits.BatchMessages); err != nil {
			return p, true, asProblem(err)
		}
		return p, true, nil
	}
	limit := h.Hub.Limits().MessageBytes
	body, err := readBody(w, r, "max-message", limit, limit)
	if err != nil {
		return p, false, err
	}
	if len(body) > 0 || !p.Close {
		p.Messages = []pabal.Message{{ID: query.Get("id"), Type: query.Get("type"), Key: query.Get("key"), ContentType: contentType, Data: body}}
	}
	return p, false, nil
}

// plain returns the content type that is kept: none for plain text in UTF-8,
// which is what no type means, and none for what curl -d says without being told.
func plain(contentType string) (string, error) {
	switch contentType { // what nearly all send need not be parsed
	case "", "text/plain", "application/x-www-form-urlencoded":
		return "", nil
	case "application/json", ndjson:
		return contentType, nil
	}
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return "", problem.BadRequest("Content-Type %.80q is no media type (%v); send one such as text/plain or application/json", contentType, err)
	}
	if media == "application/x-www-form-urlencoded" {
		return "", nil
	}
	return wire.KeptType(contentType), nil
}

// condition parses If-Match: the cursor at which the log must end, in quotes
// or bare. Whatever else it says is refused, lest something be published that
// was meant to depend on it.
func condition(values []string) (*pabal.Position, error) {
	if len(values) == 0 {
		return nil, nil
	}
	header := strings.TrimSpace(values[0])
	switch {
	case len(values) > 1 || strings.Contains(header, ","):
		return nil, problem.BadRequest("If-Match must be one cursor: a channel has one end")
	case header == "*":
		return nil, problem.BadRequest("If-Match must be one cursor: * holds for every channel, so leave the header out")
	case strings.HasPrefix(header, "W/"):
		return nil, problem.BadRequest("If-Match must be one cursor without W/ before it: what is weak matches nothing")
	}
	if inner, ok := strings.CutPrefix(header, `"`); ok {
		if header, ok = strings.CutSuffix(inner, `"`); !ok {
			return nil, problem.BadRequest("If-Match must be one cursor: its closing quote is missing")
		}
	}
	at, err := pabal.ParsePosition(strings.TrimSuffix(header, closedTag))
	if err != nil {
		return nil, problem.BadRequest("If-Match must be one cursor, as HEAD gives it in ETag: %v", err)
	}
	return &at, nil
}

// moved says that ch does not end where the condition of r says, and where it
// ends now, if that can be read.
func (h *Handler) moved(r *http.Request, ch pabal.Channel) error {
	end, _, err := h.Hub.End(r.Context(), ch)
	if err != nil {
		return pabal.ErrMoved
	}
	return problem.Moved(end.String())
}

// readBody reads r's body, of at most most bytes. limit and max are what an
// error names.
func readBody(w http.ResponseWriter, r *http.Request, limit string, maximum, most int) ([]byte, error) {
	tooLarge := &pabal.LimitError{Limit: limit, Max: maximum, What: "the body"}
	if r.ContentLength > int64(most) {
		return nil, tooLarge
	}
	var body []byte
	var err error
	if r.ContentLength > 0 {
		body, err = readWhole(r.Body, int(r.ContentLength))
	} else {
		body, err = io.ReadAll(http.MaxBytesReader(w, r.Body, int64(most)))
	}
	var over *http.MaxBytesError
	switch {
	case errors.As(err, &over):
		return nil, tooLarge
	case err != nil:
		return nil, problem.BadRequest("the body broke off: nothing was published")
	}
	return body, nil
}

// readWhole reads size bytes, which is all that in has. They take no more
// memory than that, since the log keeps them.
func readWhole(in io.Reader, size int) ([]byte, error) {
	body := make([]byte, size)
	if _, err := io.ReadFull(in, body); err != nil {
		return nil, err
	}
	var more [1]byte
	for {
		n, err := in.Read(more[:])
		switch {
		case n > 0:
			return nil, errors.New("the body is longer than its Content-Length")
		case errors.Is(err, io.EOF):
			return body, nil
		case err != nil:
			return nil, err
		}
	}
}

func asProblem(err error) error {
	var limit *pabal.LimitError
	if errors.As(err, &limit) {
		return err
	}
	return problem.BadRequest("%v", err)
}
