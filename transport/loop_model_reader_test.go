package transport

import (
	"bufio"
	"bytes"
	"compress/flate"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/pabal/pabal/internal/readers"
)

// canned answers any request with what a reader has got so far.
type canned struct{ raw []byte }

func (c canned) RoundTrip(r *http.Request) (*http.Response, error) {
	in := bufio.NewReader(bytes.NewReader(c.raw))
	resp, err := http.ReadResponse(in, r)
	if err == nil {
		resp.Body = cannedBody{resp.Body, in}
	}
	return resp, err
}

// A cannedBody is an error if anything follows it.
type cannedBody struct {
	io.ReadCloser
	in *bufio.Reader
}

func (b cannedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		if rest, _ := b.in.Peek(1); len(rest) > 0 {
			return n, fmt.Errorf("%q follows the last chunk", rest)
		}
	}
	return n, err
}

// parsed is what a reader has got.
type parsed struct {
	items   []readers.Item
	whole   bool   // nothing is torn at the end
	ended   bool   // in good order
	code    uint16 // of the close frame
	reason  string
	pings   int
	pongs   int
	replies int
}

// parseHTTP parses a response of chunks.
func parseHTTP(raw []byte, by *readers.Technique, channels []string, query url.Values) (*parsed, error) {
	p := &parsed{}
	n, ended, err := chunks(raw)
	if p.whole = n == len(raw); n == 0 || err != nil {
		return p, err
	}
	raw = raw[:n]
	t := &readers.Target{URL: "http://pabal.test", Client: &http.Client{Transport: canned{raw}}, Channels: channels, Query: query}
	var last error
	for it, err := range by.Read(context.Background(), t) {
		if err != nil {
			last = err
			break
		}
		p.items = append(p.items, it)
	}
	p.ended = last == nil
	if last != nil && !errors.Is(last, io.ErrUnexpectedEOF) {
		return p, last
	}
	if ended != p.ended {
		return p, fmt.Errorf("the last chunk is there: %v; the body has ended: %v", ended, p.ended)
	}
	return p, nil
}

// chunks checks the framing of raw. It returns how many bytes of it are whole
// chunks, and the head.
func chunks(raw []byte) (whole int, ended bool, err error) {
	i := bytes.Index(raw, []byte("\r\n\r\n"))
	if i < 0 {
		return 0, false, nil
	}
	for at := i + 4; ; {
		line, _, ok := bytes.Cut(raw[at:], []byte("\r\n"))
		if !ok {
			return at, false, nil
		}
		n, err := strconv.ParseUint(string(line), 16, 31)
		if err != nil {
			return at, false, fmt.Errorf("a chunk begins with %.40q", line)
		}
		begin := at + len(line) + 2
		end := begin + int(n) + 2
		if len(raw) < end {
			return at, false, nil
		}
		if string(raw[end-2:end]) != "\r\n" {
			return at, false, fmt.Errorf("a chunk of %d bytes ends with %q", n, raw[end-2:end])
		}
		if at = end; n == 0 {
			if len(raw) > end {
				return at, true, fmt.Errorf("%q follows the last chunk", raw[end:])
			}
			return at, true, nil
		}
	}
}

// parseWS parses the frames of a WebSocket.
func parseWS(raw []byte, raw1 bool, entries bool) (*parsed, error) {
	p := &parsed{}
	_, rest, head := bytes.Cut(raw, []byte("\r\n\r\n"))
	for p.whole = head; head && len(rest) > 0; {
		first, payload, after, ok := cutFrame(rest)
		if !ok {
			p.whole = false
			return p, nil
		}
		rest = after
		if p.ended {
			return p, fmt.Errorf("a frame %x follows the close frame", first)
		}
		var err error
		switch first {
		case 0x88:
			p.ended = true
			if len(payload) >= 2 {
				p.code, p.reason = binary.BigEndian.Uint16(payload), string(payload[2:])
			}
		case 0x89:
			p.pings++
		case 0x8a:
			p.pongs++
		case 0xc1, 0xc2:
			inflated := flate.NewReader(io.MultiReader(bytes.NewReader(payload), strings.NewReader("\x00\x00\xff\xff\x01\x00\x00\xff\xff")))
			if payload, err = io.ReadAll(inflated); err == nil {
				err = p.message(payload, raw1, entries)
			}
		case 0x81, 0x82:
			err = p.message(payload, raw1, entries)
		default:
			err = fmt.Errorf("a frame begins with %x", first)
		}
		if err != nil {
			return p, err
		}
	}
	return p, nil
}

func cutFrame(b []byte) (first byte, payload, rest []byte, ok bool) {
	if len(b) < 2 {
		return 0, nil, nil, false
	}
	n, at := int(b[1]), 2
	switch {
	case n == 126 && len(b) >= 4:
		n, at = int(binary.BigEndian.Uint16(b[2:])), 4
	case n == 127 && len(b) >= 10:
		n, at = int(binary.BigEndian.Uint64(b[2:])), 10
	case n >= 126:
		return 0, nil, nil, false
	}
	if len(b) < at+n {
		return 0, nil, nil, false
	}
	return b[0], b[at : at+n], b[at+n:], true
}

// message takes a message: an entry, a notice, a reply or a sign of life.
func (p *parsed) message(payload []byte, bare, entries bool) error {
	if bare && !entries {
		p.items = append(p.items, readers.Item{Data: payload})
		return nil
	}
	if len(payload) == 0 {
		return nil
	}
	var m struct {
		ID, Error                                 json.RawMessage
		OK                                        bool
		Notice, Channel, Cursor, From, To, Reason string
		Data                                      any
		Count                                     int
		Channels, Cursors                         []string
	}
	if err := json.Unmarshal(payload, &m); err != nil {
		return fmt.Errorf("%.200q: %w", payload, err)
	}
	if m.OK || m.Error != nil {
		if p.replies++; !m.OK {
			m.Channel = ""
		}
		p.items = append(p.items, readers.Item{Notice: "reply", Channel: m.Channel, Cursor: m.Cursor, ID: string(m.ID), Detail: readers.Detail{Count: p.replies}})
		return nil
	}
	text, _ := m.Data.(string)
	p.items = append(p.items, readers.Item{
		Notice: m.Notice, Channel: m.Channel, Cursor: m.Cursor, Data: []byte(text),
		Detail: readers.Detail{From: m.From, To: m.To, Reason: m.Reason, Count: m.Count, Channels: m.Channels, Cursors: m.Cursors},
	})
	return nil
}

// A modelPlace is where a reader stands in a channel, by what it was sent.
type modelPlace struct {
	at     int // the offset; below 0: it may begin anywhere
	live   int
	closed bool
	latest bool
	got    int
}

func offsetOf(cursor string) int {
	_, text, _ := strings.Cut(cursor, "-")
	n, err := strconv.Atoi(text)
	if err != nil {
		return -1
	}
	return n
}

// take holds it against log, the entries of the channel by offset.
func (p *modelPlace) take(it *readers.Item, log *modelLog) error {
	to := offsetOf(it.Cursor)
	if it.Notice == "" && it.Cursor == "" {
		to = log.offsetOf(it.Data)
	}
	switch it.Notice {
	case "":
		return p.entry(it, log, to)
	case "$live":
		if p.live++; p.live > 1 {
			return errors.New("$live is said twice")
		}
	case "$closed":
		if p.closed && it.Reason == "closed" {
			return errors.New("$closed is said twice")
		}
		p.closed = it.Reason != string(reasonDraining) && it.Reason != string(reasonUnavailable)
	case "$gap", "$reset":
		if from := offsetOf(it.From); it.From != "" && p.at >= 0 && from != p.at {
			return fmt.Errorf("stands at %d and is told %+v", p.at, it)
		}
		p.at = max(p.at, to)
	case "$skipped":
		if !p.latest {
			return errors.New("$skipped is said to who wants all")
		}
		p.at = max(p.at, to)
	default:
		return fmt.Errorf("%s is not known", it.Notice)
	}
	if p.at >= 0 && to >= 0 && to != p.at && (!p.latest || p.at > to) {
		return fmt.Errorf("stands at %d and is told %+v", p.at, it)
	}
	return nil
}

func (p *modelPlace) entry(it *readers.Item, log *modelLog, to int) error {
	i, known := slices.BinarySearch(log.offsets, to)
	switch {
	case !known:
		return fmt.Errorf("entry %d, %.40q, is not in the log", to, it.Data)
	case p.closed:
		return fmt.Errorf("entry %d comes after the end", to)
	case !p.latest && p.at >= 0 && to != log.next(p.at), p.latest && to <= p.at:
		return fmt.Errorf("entry %d comes at %d, where %d is next", to, p.at, log.next(p.at))
	case it.Opaque && len(it.Data) != len(log.data[i]), !it.Opaque && !bytes.Equal(it.Data, log.data[i]):
		return fmt.Errorf("entry %d has data %.60q, want %.60q", to, it.Data, log.data[i])
	}
	p.at = to
	p.got++
	return nil
}

// A modelLog is all that was ever appended to a channel.
type modelLog struct {
	offsets []int
	data    [][]byte
	byData  map[string]int
	closed  bool
	removed bool // once
}

func (l *modelLog) next(at int) int {
	i, _ := slices.BinarySearch(l.offsets, at+1)
	if i == len(l.offsets) {
		return -1
	}
	return l.offsets[i]
}

func (l *modelLog) offsetOf(data []byte) int {
	if offset, ok := l.byData[string(data)]; ok {
		return offset
	}
	return -2
}
