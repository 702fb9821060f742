package transport

import (
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/problem"
	"github.com/pabal/pabal/internal/websocket"
	"github.com/pabal/pabal/vector"
)

// A request is what a client asks for.
type request struct {
	technique *technique
	named     bool // by ?via=, and not negotiated
	channels  []pabal.Channel
	from      []pabal.From
	cursor    string          // as given, by Last-Event-ID or ?cursor=; several are joined by commas
	byHeader  bool            // cursor came as Last-Event-ID
	before    *pabal.Position // where reading ends, by ?before=
	options   pabal.Options
	limit     int
	wait      time.Duration // of a long poll
	preferred bool          // wait came by Prefer
	parked    *parked       // of a long poll that has waited on a loop; it is asked anew
	asked
	asker
}

// asked is how a request wants its answer to look.
type asked struct {
	callback string // of jsonp and iframe
	pad      int    // bytes before the first entry
	form     form   // ?format=
}

// An asker is who asks, and what of it others know.
type asker struct {
	grant   pabal.Grant
	inbox   bool           // its inbox is read too, which ?connection= asks for
	join    bool           // it is present in the channels for as long as it reads, with
	present []byte         // this, or what the grant says if nil
	given   int            // how many of the channels the URL names
	vector  *vector.Vector // as given; or nil
	past    past
}

// A technique is a way to read, as named by ?via=.
type technique struct {
	name   string
	answer bool // one answer with a body that ends: a poll of some kind
	all    bool // begins with all that is kept, unless told otherwise
}

var (
	poll               = &technique{name: "poll", answer: true, all: true}
	longpoll           = &technique{name: "longpoll", answer: true, all: true}
	jsonp              = &technique{name: "jsonp", answer: true, all: true}
	stream             = &technique{name: "stream"}
	sse                = &technique{name: "sse"}
	multipart          = &technique{name: "multipart"}
	iframe             = &technique{name: "iframe"}
	page               = &technique{name: "page"}
	websocketTechnique = &technique{name: "websocket"}

	techniques = []*technique{poll, longpoll, stream, sse, multipart, iframe, jsonp, page, websocketTechnique}
)

// parameters are those of the query that reading knows. "_" is what scripts
// add to get past a cache.
var parameters = []string{"via", "channel", "cursor", "since", "before", "limit", "wait", "only", "every", "callback", "pad", "format", "connection", "join", "token", "_"}

// parse reads what r asks for. The request is never nil: with an error it says
// as much as was understood, for [Handler.refuse].
func (h *Handler) parse(r *http.Request) (*request, error) {
	q := &request{technique: poll}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return q, problem.BadRequest("the query cannot be read: %v", err)
	}
	if err := q.negotiate(r, query); err != nil {
		return q, err
	}
	if err := q.parseCallback(query); err != nil {
		return q, err
	}
	for name, values := range query {
		if !slices.Contains(parameters, name) {
			return q, problem.BadRequest("?%.40s= is not a parameter of reading; these are: %s", name, strings.Join(parameters[:len(parameters)-1], ", "))
		}
		if len(values) > 1 && name != "channel" && name != "cursor" {
			return q, problem.BadRequest("?%s= is given %d times; give it once", name, len(values))
		}
	}
	limits := h.Hub.Limits()
	if err := q.parseChannels(r, query, limits); err != nil {
		return q, err
	}
	if err := q.parseAsker(query); err != nil {
		return q, err
	}
	if err := q.parseFrom(r, query); err != nil {
		return q, err
	}
	if err := q.parseBefore(r, query); err != nil {
		return q, err
	}
	return q, q.parseOptions(r, query, h.LongPollMax)
}

// negotiate chooses the technique: an upgrade or an extended CONNECT, else ?via=, else Accept, else a
// wish to wait, else poll.
func (q *request) negotiate(r *http.Request, query url.Values) error {
	if headerHas(r.Header, "Upgrade", "websocket") || websocket.ExtendedConnect(r) != "" {
		q.technique, q.named = websocketTechnique, true
		return nil
	}
	if via := query.Get("via"); query.Has("via") {
		i := slices.IndexFunc(techniques, func(t *technique) bool { return t.name == via })
		if i < 0 {
			return problem.BadRequest("?via=%.40s is not a technique; these are: poll, longpoll, stream, sse, multipart, iframe, jsonp, page, websocket", via)
		}
		q.technique, q.named = techniques[i], true
		return nil
	}
	accept := strings.Join(r.Header.Values("Accept"), ",")
	for _, option := range []struct {
		media string
		*technique
	}{{"text/event-stream", sse}, {"application/x-ndjson", stream}, {"multipart/mixed", multipart}, {"multipart/x-mixed-replace", multipart}} {
		if strings.Contains(accept, option.media) {
			q.technique = option.technique
			return nil
		}
	}
	if _, prefers := preferWait(r.Header); prefers || query.Has("wait") {
		q.technique = longpoll
	}
	return nil
}

func (q *request) parseCallback(query url.Values) error {
	callback := query.Get("callback")
	switch q.technique {
	case jsonp, iframe:
		if callback == "" {
			callback = "pabal"
		}
	default:
		if query.Has("callback") {
			return problem.BadRequest("?callback= is for jsonp and iframe")
		}
	}
	if err := checkCallback(callback); callback != "" && err != nil {
		return problem.BadRequest("%v", err)
	}
	q.callback = callback
	return nil
}

func (q *request) parseChannels(r *http.Request, query url.Values, limits pabal.Limits) error {
	var names []string
	if name, ok := strings.CutPrefix(r.URL.Path, "/channels/"); ok {
		if query.Has("channel") {
			return problem.BadRequest("name the channel in the path or as ?channel=, not both")
		}
		names = []string{name}
	} else if names = query["channel"]; len(names) == 0 && q.technique != websocketTechnique && !query.Has("connection") {
		return problem.BadRequest("name the channels to read: /channels/{name}, or /channels?channel=a&channel=b")
	}
	if len(names) > limits.ChannelsPerResponse {
		return &pabal.LimitError{Limit: "channels-per-response", Max: limits.ChannelsPerResponse, What: strconv.Itoa(len(names)) + " channels"}
	}
	for _, name := range names {
		ch, err := limits.CheckChannel(name)
		if err != nil {
			return err
		}
		if slices.Contains(q.channels, ch) {
			return problem.BadRequest("channel %q is asked for twice", ch)
		}
		q.channels = append(q.channels, ch)
	}
	return nil
}

// parseFrom finds where to begin in each channel: the header wins over
// ?cursor=, and that over ?since=.
func (q *request) parseFrom(r *http.Request, query url.Values) error {
	start := pabal.FromNow()
	if q.technique.all {
		start = pabal.FromAll()
	}
	if query.Has("since") {
		var err error
		// The + of a time zone, as in 09:00+09:00, is a space to who decodes a query.
		if start, err = ParseSince(strings.ReplaceAll(query.Get("since"), " ", "+")); err != nil {
			return problem.BadRequest("%v", err)
		}
	}
	q.from = slices.Repeat([]pabal.From{start}, len(q.channels))
	if len(q.channels) > q.given { // what came to an inbox before it was first read is not lost
		q.from[q.given] = pabal.FromAll()
	}
	cursors := query["cursor"]
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		cursors, q.byHeader = []string{id}, true
	}
	q.cursor = strings.Join(cursors, ",")
	if len(cursors) == 1 && vector.Is(cursors[0]) {
		v, err := vector.Parse(cursors[0])
		if err != nil {
			return problem.BadRequest("%v", err)
		}
		q.vector = v
		for i, ch := range q.channels {
			if p, ok := v.Of(ch); ok {
				q.from[i] = pabal.After(p)
			}
		}
		return nil
	}
	if len(cursors) > 0 && len(cursors) != len(q.channels) && len(cursors) != q.given {
		return problem.BadRequest("%d cursors for %d channels: give ?cursor= once for each channel, in their order, or the one cursor that an answer over all of them gave", len(cursors), len(q.channels))
	}
	for i, cursor := range cursors {
		p, err := pabal.ParsePosition(cursor)
		if err != nil {
			return problem.BadRequest("%v", err)
		}
		q.from[i] = pabal.After(p)
	}
	return nil
}

// ParseSince parses ?since=: all, now, a number of entries, a duration back
// from now as Go writes it, or a time as RFC 3339 writes it.
func ParseSince(text string) (pabal.From, error) {
	if n, err := strconv.Atoi(text); err == nil && n >= 0 {
		return pabal.FromLast(n), nil
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return pabal.FromTime(time.Now().Add(-d)), nil
	}
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return pabal.FromTime(t), nil
	}
	switch text {
	case "all":
		return pabal.FromAll(), nil
	case "now":
		return pabal.FromNow(), nil
	}
	return pabal.From{}, problem.BadRequest("since=%.40s is none of: all, now, a number of entries (20), a duration (10m), a time (2006-01-02T15:04:05Z)", text)
}

const (
	defaultWait = 25 * time.Second
	maxEntries  = 1000
	maxPad      = 64 << 10
)

func (q *request) parseOptions(r *http.Request, query url.Values, longest time.Duration) error {
	var err error
	if q.limit, err = number(query, "limit", maxEntries, 1, maxEntries); err != nil {
		return err
	}
	q.options.Limit = q.limit
	if query.Has("limit") && !q.technique.answer {
		return problem.BadRequest("?limit= is for poll, longpoll and jsonp; %s goes on until you end it", q.technique.name)
	}
	if q.pad, err = number(query, "pad", 0, 0, maxPad); err != nil {
		return err
	}
	switch only := query.Get("only"); {
	case only == "latest":
		q.options.Latest = true
	case query.Has("only"):
		return problem.BadRequest("?only=%.40s: only latest is known", only)
	}
	switch format := query.Get("format"); {
	case format == "entry":
		q.form = entryForm
	case format == "message":
		q.form = messageForm
	case query.Has("format"):
		return problem.BadRequest("?format=%.40s: entry, the JSON form, is known, and message, the same without events named after types", format)
	}
	if query.Has("every") {
		if q.options.Every, err = time.ParseDuration(query.Get("every")); err != nil || q.options.Every <= 0 || q.options.Every > time.Hour {
			return problem.BadRequest("?every=%.40s must be a duration up to 1h, such as 500ms", query.Get("every"))
		}
		if q.technique.answer {
			return problem.BadRequest("?every= is for responses that go on; ask %s as often as you like instead", q.technique.name)
		}
	}
	return q.parseWait(r, query, longest)
}

func (q *request) parseWait(r *http.Request, query url.Values, longest time.Duration) error {
	if q.technique == longpoll {
		q.wait = min(defaultWait, longest)
	}
	seconds, preferred := preferWait(r.Header)
	if query.Has("wait") {
		var err error
		if seconds, err = number(query, "wait", 0, 0, 1<<20); err != nil {
			return err
		}
		if !q.technique.answer || q.technique == poll {
			return problem.BadRequest("?wait= is for longpoll and jsonp; %s does not need it", q.technique.name)
		}
		preferred = false
	} else if !preferred || q.technique != longpoll {
		return nil
	}
	q.wait = min(time.Duration(seconds)*time.Second, longest)
	q.preferred = preferred
	return nil
}

func number(query url.Values, name string, missing, least, most int) (int, error) {
	if !query.Has(name) {
		return missing, nil
	}
	n, err := strconv.Atoi(query.Get(name))
	if err != nil || n < least || n > most {
		return 0, problem.BadRequest("?%s=%.40s must be a whole number from %d to %d", name, query.Get(name), least, most)
	}
	return n, nil
}

// preferWait returns the wait of Prefer (RFC 7240, section 4.3), in seconds.
func preferWait(h http.Header) (seconds int, ok bool) {
	for _, line := range h.Values("Prefer") {
		for preference := range strings.SplitSeq(line, ",") {
			preference, _, _ = strings.Cut(preference, ";")
			name, value, _ := strings.Cut(preference, "=")
			if !strings.EqualFold(strings.TrimSpace(name), "wait") {
				continue
			}
			n, err := strconv.Atoi(strings.Trim(strings.TrimSpace(value), `"`))
			if err == nil && n >= 0 && n < 1<<20 {
				return n, true
			}
		}
	}
	return 0, false
}

// headerHas reports whether the list in header name has token.
func headerHas(h http.Header, name, token string) bool {
	for _, line := range h.Values(name) {
		for part := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(part), token) {
				return true
			}
		}
	}
	return false
}

// jitter returns between half of d and one and a half of it.
func jitter(d time.Duration) time.Duration { return d/2 + chance(d) }

// chance returns a time up to most: by the clock, so that a simulation with a
// clock of its own can be repeated.
func chance(most time.Duration) time.Duration {
	by := rand.NewPCG(uint64(time.Now().UnixNano()), uint64(most))
	return time.Duration(by.Uint64() % uint64(most+1))
}
