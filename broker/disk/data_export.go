package disk

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/once"
	"github.com/pabal/pabal/internal/wire"
)

// exportVersion is that of what an export says. One of a later version is
// refused.
const exportVersion = 1

// The lines of an export that are not entries; docs/storage.md explains them.
type (
	headLine struct {
		Pabal   string       `json:"pabal"` // "export"
		Version int          `json:"version"`
		Life    int          `json:"life"`
		Reserve pabal.Offset `json:"reserve"`
		Lax     bool         `json:"lax"`
		Clean   bool         `json:"clean"`
		Lives   []lifeLine   `json:"lives"`
		Floors  floorPairs   `json:"floors"`
	}
	lifeLine struct {
		Begins string     `json:"begins"` // a cursor
		Floors floorPairs `json:"floors"`
	}
	floorPairs [][2]uint64 // bucket and offset

	logLine struct {
		Log     pabal.Channel `json:"log"`
		Damaged bool          `json:"damaged,omitempty"` // the entries that follow are what could be read
		Life    int           `json:"life"`
		Closed  bool          `json:"closed"`
		First   [3]uint64     `json:"first"` // offset, entries ever up to it, their bytes
		Last    [3]uint64     `json:"last"`
		End     pabal.Offset  `json:"end"`
		Fresh   pabal.Offset  `json:"fresh"`
		Deleted pabal.Offset  `json:"deleted"`
		Cut     pabal.Reason  `json:"cut"`
		Time    int64         `json:"time"` // this and the next two in nanoseconds since 1970
		Touched int64         `json:"touched"`
		Due     int64         `json:"due"`
		Keys    keysLine      `json:"keys"`
		Past    pastLine      `json:"past"`
	}
	pastLine struct {
		From int            `json:"from"` // a life, and what survived of it and of those after
		Ends []pabal.Offset `json:"ends"`
	}
	keysLine struct {
		Keyed bool         `json:"keyed"`
		Kept  bool         `json:"kept"`
		N     int          `json:"n"`
		Floor pabal.Offset `json:"floor"`
	}
	knownLine struct {
		Known     string        `json:"known"`
		Exact     []byte        `json:"exact,omitempty"` // of Known, if that is no UTF-8
		Batch     bool          `json:"batch,omitempty"`
		Namespace string        `json:"namespace"`
		Number    uint64        `json:"number"`
		Channel   pabal.Channel `json:"channel"`
		Digest    string        `json:"digest"`
		Cursor    string        `json:"cursor"`
		N         int           `json:"n"`
		Time      time.Time     `json:"time"`
	}
	endLine struct {
		End      string `json:"end"` // "export"
		Channels int64  `json:"channels"`
		Entries  int64  `json:"entries"`
		IDs      int64  `json:"ids"`
	}
)

// Exported is what [Export] has written, and what it could not read.
type Exported struct {
	Channels, Entries, IDs int64
	Problems
}

// Export writes the store in c.Dir, which no server may have open, to out as
// lines of JSON, from which [Import] makes the same again: all of it, or the
// channels that match and what is known of their IDs. It changes nothing in
// the directory. What cannot be read is in Problems and left out; an error
// means that what was written is not whole.
func Export(ctx context.Context, c Config, out io.Writer, match func(pabal.Channel) bool, tell func(Progress)) (Exported, error) {
	return export(ctx, c, vfs.Default, out, match, tell)
}

func export(ctx context.Context, c Config, fs vfs.FS, out io.Writer, match func(pabal.Channel) bool, tell func(Progress)) (done Exported, err error) {
	t, err := openTool(ctx, c, fs, true, tell)
	noLog := damaged(err)
	if noLog {
		without, failed := openTool(ctx, c, withoutLogs{fs}, true, tell)
		if failed != nil {
			return done, err
		}
		t = without
		t.found.add("the log of the store is damaged: what was in no table yet is missing, and all channels begin anew: %v", err)
	} else if err != nil {
		return done, err
	}
	err = nil
	defer func() { err = errors.Join(err, t.close()) }()
	if match == nil {
		match = func(pabal.Channel) bool { return true }
	}
	x := &exporter{tool: t, out: bufio.NewWriterSize(out, 256<<10), match: match}
	if err := t.loadPast(); err != nil { // so old cursors mean nothing any more, and all channels begin anew
		if later := (*laterError)(nil); errors.As(err, &later) {
			return done, openError(c.Dir, err)
		}
		t.found.add("%v", err)
		x.forgetLives()
	}
	if noLog {
		x.forgetLives()
	}
	err = x.export()
	x.count.Problems = t.found
	return x.count, err
}

// withoutLogs is a file system in which the store finds tables only.
type withoutLogs struct{ vfs.FS }

func (fs withoutLogs) List(dir string) ([]string, error) {
	names, err := fs.FS.List(dir)
	return slices.DeleteFunc(names, func(name string) bool { return strings.HasSuffix(name, ".log") }), err
}

type exporter struct {
	*tool
	out   *bufio.Writer
	match func(pabal.Channel) bool
	lost  bool // what is kept of the store as a whole cannot be read
	count Exported
	line  []byte // to be used anew
	after tally  // of the entry written last
}

// survey raises the floors above the ends of channels that are left out, so
// that they begin after these. If a channel's end cannot be known, all begin
// anew.
func (x *exporter) survey() error {
	found := x.found
	err := x.channels(func(ch pabal.Channel, row []byte, failed error) error {
		s, life, bad := x.parse(ch, row, failed)
		if bad {
			x.lost = true
			return nil
		}
		if s.revive(life, &x.past); !x.match(ch) {
			floor := &x.ends.floors[bucketOf(ch)]
			*floor = max(*floor, s.end)
		}
		return x.ctx.Err()
	})
	x.lost = x.lost || x.found.N > found.N
	x.found = found
	if err == nil && x.lost {
		x.forgetLives()
	}
	return err
}

// forgetLives has all channels begin anew, in a new epoch.
func (x *exporter) forgetLives() {
	x.record.life, x.record.lax, x.past = 0, false, history{lives: []*life{{epoch: newEpoch()}}}
	x.lost = true
}

func (x *exporter) export() error {
	if !x.lost {
		if err := x.survey(); err != nil {
			return err
		}
	}
	head := headLine{Pabal: "export", Version: exportVersion, Life: x.record.life, Reserve: x.record.reserve,
		Lax: x.record.lax, Clean: x.record.clean, Floors: x.ends.floors.pairs()}
	for _, l := range x.past.lives {
		head.Lives = append(head.Lives, lifeLine{pabal.Position{Epoch: l.epoch, Offset: l.base}.String(), l.floors.pairs()})
	}
	if err := x.write(head); err != nil {
		return err
	}
	x.done = Progress{Total: int64(x.record.channels), Unit: "channels"}
	err := x.channels(func(ch pabal.Channel, row []byte, failed error) error {
		if x.match(ch) {
			if err := x.log(ch, row, failed); err != nil {
				return err
			}
		}
		return x.step(1)
	})
	if err == nil {
		err = x.known()
	}
	if err == nil {
		err = x.write(endLine{"export", x.count.Channels, x.count.Entries, x.count.IDs})
	}
	if err != nil {
		return err
	}
	return x.out.Flush()
}

func (f *floors) pairs() floorPairs {
	pairs := floorPairs{}
	for i, at := range f {
		if at > 0 {
			pairs = append(pairs, [2]uint64{uint64(i), uint64(at)})
		}
	}
	return pairs
}

func (x *exporter) write(line any) error {
	text, err := json.Marshal(line)
	if err != nil {
		return err
	}
	_, err = x.out.Write(append(text, '\n'))
	return err
}

// log writes a channel and its entries. It reads them twice, since the first
// line says whether they are whole.
func (x *exporter) log(ch pabal.Channel, row []byte, failed error) error {
	if _, err := pabal.ParseChannel(string(ch)); err != nil {
		x.found.add("left out: %v", err)
		return nil
	}
	s, life, bad := x.parse(ch, row, failed)
	if bad {
		s, life = state{last: edge{at: ^pabal.Offset(0)}, cut: pabal.Evicted}, x.record.life
	} else {
		w := x.walk(ch, &s, life)
		if w.err != nil {
			return w.err
		}
		x.found.join(&w.found)
		bad = w.found.N > 0
		if s.keys.kept && s.keys.keyed {
			s.keys.n = w.live
		}
	}
	if x.lost {
		bad, life, s.past = true, 0, survivors{}
	}
	line := logLine{Log: ch, Damaged: bad, Life: life, Closed: s.closed,
		First: s.first.numbers(), Last: s.last.numbers(), End: s.end, Fresh: s.fresh, Deleted: s.deleted, Cut: s.cut,
		Time: s.time, Touched: s.touched, Due: s.due, Keys: keysLine{s.keys.keyed, s.keys.kept, s.keys.n, s.keys.floor},
		Past: pastLine{s.past.from, s.past.at}}
	if failed != nil || !s.stored { // nothing is known of it but its entries
		line.Last, line.End = [3]uint64{}, max(x.record.reserve, x.past.now().base, x.lastOf(ch))+reserved
	}
	if err := x.write(line); err != nil {
		return err
	}
	x.count.Channels++
	return x.logEntries(ch, &s, bad)
}

func (e *edge) numbers() [3]uint64 { return [3]uint64{uint64(e.at), e.n, e.bytes} }

// lastOf returns the offset of the last entry of ch that can be read.
func (x *exporter) lastOf(ch pabal.Channel) (at pabal.Offset) {
	_ = x.entries(ch, ^pabal.Offset(0), func(e *pabal.Entry, _ mark) error {
		at = e.Offset
		return nil
	}, func(pabal.Offset, pabal.Offset, error) {}) // who writes them reports it
	return at
}

func (x *exporter) logEntries(ch pabal.Channel, s *state, damaged bool) error {
	from, to := allOf(lastRow, ch)
	lasts, err := x.db.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: to})
	if err != nil {
		return err
	}
	at, there := pabal.Offset(0), s.keys.keyed && !damaged && lasts.First()
	isLast := func(e pabal.Offset) bool {
		for ; there; there = lasts.Next() {
			if at = offsetOf(lasts.Key()); at >= e {
				return at == e && s.live(at)
			}
		}
		return false
	}
	x.after = s.first.tally
	err = x.entries(ch, s.last.at, func(e *pabal.Entry, m mark) error {
		last := isLast(m.at)
		if m.at <= s.first.at && !last {
			return nil
		}
		x.count.Entries++
		x.line = x.appendLine(x.line[:0], e, &m, last && !damaged)
		x.after = m.tally
		_, err := x.out.Write(x.line)
		return err
	}, func(pabal.Offset, pabal.Offset, error) {}) // it was reported
	if failed := lasts.Close(); failed != nil {
		x.found.add("channel %.80q: the last entries of its keys cannot be read: %v", ch, failed)
	}
	return err
}

// appendLine appends an entry as HTTP has it, and in further members what is
// said of it that does not follow from the line before.
func (x *exporter) appendLine(dst []byte, e *pabal.Entry, m *mark, last bool) []byte {
	dst = appendExact(dst, e)
	number := func(name string, n uint64) {
		dst = strconv.AppendUint(append(append(append(dst, `,"`...), name...), `":`...), n, 10)
	}
	if m.prev != m.at-1 {
		number("prev", uint64(m.prev))
	}
	if m.n != x.after.n+1 || m.bytes != x.after.bytes+m.size {
		number("n", m.n)
		number("bytes", m.bytes)
	}
	if last {
		dst = append(dst, `,"last":true`...)
	}
	return append(dst, '}', '\n')
}

// appendExact appends e's JSON form, but for its last brace, so that each byte
// of it comes back: data that would lose white space is base64, and of fields
// that are no UTF-8 the bytes follow.
func appendExact(dst []byte, e *pabal.Entry) []byte {
	if exactData(&e.Message) {
		dst = wire.AppendEntry(dst, e)
		dst = dst[:len(dst)-1]
	} else {
		bare := e.Copy()
		bare.Data = nil
		dst = wire.AppendEntry(dst, bare)
		dst = append(dst[:len(dst)-1], `,"encoding":"base64","data":"`...)
		dst = append(base64.StdEncoding.AppendEncode(dst, e.Data), '"')
	}
	if utf8.ValidString(e.ID) && utf8.ValidString(e.Type) && utf8.ValidString(e.Key) && utf8.ValidString(e.ContentType) {
		return dst
	}
	text, _ := json.Marshal(exactFields{[]byte(e.ID), []byte(e.Type), []byte(e.Key), []byte(e.ContentType)}) // bytes cannot fail
	return append(append(dst, `,"exact":`...), text...)
}

// exactFields are the fields of a message as bytes.
type exactFields struct {
	ID          []byte `json:"id"`
	Type        []byte `json:"type"`
	Key         []byte `json:"key"`
	ContentType []byte `json:"contentType"`
}

// exactData reports whether m's data comes back from its usual form as it is.
func exactData(m *pabal.Message) bool {
	if !m.JSON() || !json.Valid(m.Data) || !utf8.Valid(m.Data) {
		return true // it is text, base64 or nothing
	}
	if bytes.Count(m.Data, []byte{'['})+bytes.Count(m.Data, []byte{'{'}) > 9000 {
		return false // it may be so deep that no line can hold it
	}
	if !bytes.ContainsAny(m.Data, " \t\r\n") {
		return true
	}
	var compact bytes.Buffer
	return json.Compact(&compact, m.Data) == nil && bytes.Equal(compact.Bytes(), m.Data)
}

// known writes the IDs that are known of the channels that match.
func (x *exporter) known() error {
	var stop error
	err := x.each(idRow, func(key, value []byte) error {
		namespace, k, err := parseKnown(key, value)
		if err != nil {
			x.found.add("the row of a known ID: %v", err)
			return nil
		}
		if !x.match(k.Channel) {
			return nil
		}
		x.count.IDs++
		stop = errors.Join(x.write(lineOf(namespace, &k)), x.step(0))
		return stop
	})
	if stop == nil && err != nil {
		x.found.add("known IDs cannot be read: %v", err)
	}
	return stop
}

func lineOf(namespace string, k *once.Known) knownLine {
	l := knownLine{Known: k.ID, Batch: k.Batch, Namespace: namespace, Number: k.Number, Channel: k.Channel,
		Digest: hex.EncodeToString(k.Digest[:]), Cursor: k.End.String(), N: k.N, Time: k.At}
	if !utf8.ValidString(k.ID) {
		l.Exact = []byte(k.ID)
	}
	return l
}
