package predict

import (
	"bytes"
	"math"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http2/hpack"

	"github.com/pabal/pabal/bench/cost/browser"
)

// A cycle is the requests that bring a reader some messages, and then nothing
// some times before the next; it begins anew for ever. With no messages it is
// nothing each time.
type cycle struct {
	messages float64 // in the full answer, in the mean; 0: there is none
	empties  int     // answers without
}

// An asked is one request and its answer.
type asked struct {
	offset int       // which cursor it asks with
	k      float64   // messages in the answer
	at     time.Time // of the answer
}

// exchanges returns what the full answer of a cycle costs with its request, and
// what each empty one does in the mean.
func (c Case) exchanges(of cycle) (full, empty Cost) {
	one := c.exchange1
	if c.HTTP2 {
		one = c.exchange2
	}
	requests, answers := newTable(), newTable()
	const warm, most = 50, 250
	var fulls, empties float64
	at, offset := time.Date(2026, 11, 22, 23, 51, 44, 0, time.UTC), 0
	for i := 0; i < most || fulls == 0 && of.messages > 0 || empties == 0 && of.empties > 0; {
		for j := range 1 + of.empties {
			k := of.messages
			if j > 0 {
				k = 0
			} else if k == 0 {
				continue
			}
			at = at.Add(c.gap(k, of.empties))
			cost := one(asked{offset: offset, k: k, at: at}, requests, answers)
			switch i++; {
			case i <= warm: // until the tables are full
			case k > 0:
				full, fulls = full.Plus(cost), fulls+1
			default:
				empty, empties = empty.Plus(cost), empties+1
			}
			if k > 0 {
				offset++
			}
		}
	}
	return full.Times(1 / max(1, fulls)), empty.Times(1 / max(1, empties))
}

// gap returns for how long an answer with k messages lets wait.
func (c Case) gap(k float64, empties int) time.Duration {
	switch {
	case c.Technique == "poll":
		return c.Poll
	case k == 0:
		return c.Wait
	}
	return c.Every - time.Duration(empties)*c.Wait
}

// exchange1 returns what a request costs over HTTP/1.1.
func (c Case) exchange1(a asked, _, _ *table) Cost {
	r := c.Request
	r.Path = c.path(a)
	head := "HTTP/1.1 " + c.statusLine(a.k) + "\r\n"
	for _, f := range c.answer(a) {
		head += f.Name + ": " + f.Value + "\r\n"
	}
	return Cost{Up: c.sealed(len(r.HTTP1())), Down: c.sealed(len(head+"\r\n") + c.answerBody(a.k)), Requests: 1}
}

// exchange2 returns the same over HTTP/2: a HEADERS frame up; a HEADERS frame
// down and, with a body, DATA, each in a record of its own. What headers take
// depends on those before them (HPACK, RFC 7541). Readers that share a
// connection share its tables, and ask the same at the same time.
func (c Case) exchange2(a asked, requests, answers *table) Cost {
	r := c.Request
	r.Path = c.path(a)
	up, down := r.HTTP2(), append([]browser.Field{{Name: ":status", Value: c.statusLine(a.k)[:3]}}, c.answer(a)...)
	streams := max(1, c.Streams)
	cost := Cost{Requests: 1}
	for range streams {
		cost.Up += float64(requests.add(up)) / float64(streams)
		cost.Down += float64(answers.add(down)) / float64(streams)
	}
	cost.Up += h2Frame + record
	cost.Down += h2Frame + record
	if body := c.answerBody(a.k); body > 0 {
		cost.Down += c.sealed(framed(body))
		if body > 4<<10 { // what does not fit the server's buffer is ended by a frame of its own
			cost.Down += c.sealed(h2Frame)
		}
	}
	return cost
}

func (c Case) path(a asked) string { return c.Request.Path + c.Message.cursor(a.offset) }

func (c Case) empty(k float64) bool { return k == 0 && c.Technique != "jsonp" }

func (c Case) statusLine(k float64) string {
	if c.empty(k) {
		return "204 No Content"
	}
	return "200 OK"
}

func (c Case) answerBody(k float64) int {
	if c.empty(k) {
		return 0
	}
	return int(math.Round(c.Message.body(c.Technique, k)))
}

// answer returns the header of an answer. A script's is never 204.
func (c Case) answer(a asked) []browser.Field {
	from, to := c.Message.cursor(a.offset), c.Message.cursor(a.offset)
	cache, tag, later := "no-store", from, "5"
	if a.k > 0 {
		to = c.Message.cursor(a.offset + 1)
		cache, tag, later = "public, max-age=5", from+"."+to, "1"
		if c.Technique == "jsonp" {
			tag += ".jsonp"
		}
	}
	fields := []browser.Field{{Name: "Cache-Control", Value: cache}, {Name: "Etag", Value: `"` + tag + `"`}, {Name: "Pabal-Cursor", Value: to}}
	if c.Technique == "poll" {
		fields = append(fields, browser.Field{Name: "Retry-After", Value: later})
	}
	if !c.empty(a.k) {
		contentType := "application/json"
		if c.Technique == "jsonp" {
			contentType = "application/javascript; charset=utf-8"
		}
		fields = append(fields, browser.Field{Name: "X-Content-Type-Options", Value: "nosniff"},
			browser.Field{Name: "Content-Type", Value: contentType}, browser.Field{Name: "Content-Length", Value: strconv.Itoa(c.answerBody(a.k))})
	}
	return append(fields, browser.Field{Name: "Date", Value: a.at.Format("Mon, 02 Jan 2006 15:04:05 GMT")})
}

// A table is the encoder of one direction of a connection of HTTP/2.
type table struct {
	out     bytes.Buffer
	encoder *hpack.Encoder
}

func newTable() *table {
	t := &table{}
	t.encoder = hpack.NewEncoder(&t.out)
	return t
}

// add returns the bytes of a header.
func (t *table) add(fields []browser.Field) int {
	t.out.Reset()
	for _, f := range fields {
		// A browser leaves paths out of the table.
		_ = t.encoder.WriteField(hpack.HeaderField{Name: strings.ToLower(f.Name), Value: f.Value, Sensitive: f.Name == ":path"})
	}
	return t.out.Len()
}
