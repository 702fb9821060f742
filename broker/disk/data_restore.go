package disk

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/once"
)

// A restorer writes the rows that the lines of an export stand for.
type restorer struct {
	*tool
	lines *lineReader
	batch *pebble.Batch
	count Imported

	log    pabal.Channel // of the lines that follow; "" before the first
	state  state
	life   int
	anew   bool                    // it was damaged: its entries get new positions
	keys   map[string]pabal.Offset // then, of its keys
	before mark                    // of the entry before
}

// entryLine is an entry as appendLine writes it.
type entryLine struct {
	messageLine
	Exact *exactFields  `json:"exact"`
	Prev  *pabal.Offset `json:"prev"`
	N     *uint64       `json:"n"`
	Bytes uint64        `json:"bytes"`
	Last  bool          `json:"last"`
}

var errShort = errors.New("the export ends before its last line, so it was cut; get it whole")

func (r *restorer) restore(first []byte) error {
	r.batch = r.db.NewBatch()
	defer func() { _ = r.batch.Close() }()
	if err := r.at(r.head(first)); err != nil {
		return err
	}
	for ended := false; ; {
		line, err := r.lines.next()
		switch {
		case errors.Is(err, io.EOF) && ended:
			return r.finish()
		case errors.Is(err, io.EOF):
			return errShort
		case err != nil:
			return err
		case ended:
			return r.at(errors.New("something follows the last line of the export"))
		}
		if ended, err = r.take(line); err != nil {
			if _, more := r.lines.in.Peek(1); errors.Is(more, io.EOF) && line[len(line)-1] != '}' {
				return errShort
			}
			return r.at(err)
		}
		if err := r.step(1); err != nil {
			return err
		}
	}
}

// at says where err is.
func (r *restorer) at(err error) error {
	if err != nil {
		err = fmt.Errorf("line %d: %w", r.lines.n, err)
	}
	return err
}

// head takes the first line.
func (r *restorer) head(line []byte) error {
	var version struct {
		Pabal   string `json:"pabal"`
		Version int    `json:"version"`
	}
	if err := json.Unmarshal(line, &version); err != nil || version.Pabal != "export" {
		return errors.New(`it says "pabal", and is not the first line of an export`)
	}
	if version.Version > exportVersion {
		return fmt.Errorf("the export is of version %d, and this is a release that knows versions up to %d: use the release that wrote it, or a later one", version.Version, exportVersion)
	}
	var h headLine
	if err := parseLine(line, &h); err != nil {
		return err
	}
	r.record = record{life: h.Life, reserve: h.Reserve, lax: h.Lax, clean: h.Clean}
	r.past.first = h.Life + 1 - len(h.Lives)
	if len(h.Lives) == 0 || len(h.Lives) > lifetimes || r.past.first < 0 {
		return errRow
	}
	for i, l := range h.Lives {
		at, err := pabal.ParsePosition(l.Begins)
		if err != nil {
			return err
		}
		next := &life{epoch: at.Epoch, base: at.Offset}
		if err := l.Floors.into(&next.floors); err != nil {
			return err
		}
		r.past.lives = append(r.past.lives, next)
		if err := r.set(lifeKey(r.past.first+i), next.append(nil)); err != nil {
			return err
		}
	}
	for _, pair := range h.Floors {
		if pair[0] < buckets {
			if err := r.set(floorKey(int(pair[0])), binary.AppendUvarint(nil, pair[1])); err != nil {
				return err
			}
		}
	}
	return h.Floors.into(&r.ends.floors)
}

func (p floorPairs) into(f *floors) error {
	for _, pair := range p {
		if pair[0] >= buckets {
			return errRow
		}
		f[pair[0]] = pabal.Offset(pair[1])
	}
	return nil
}

// take takes a line after the first. It reports whether it is the last.
func (r *restorer) take(line []byte) (ended bool, err error) {
	text := string(line[:min(len(line), 12)])
	switch {
	case strings.HasPrefix(text, `{"channel":`):
		return false, r.entry(line)
	case strings.HasPrefix(text, `{"log":`):
		return false, errors.Join(r.leave(), r.enter(line))
	case strings.HasPrefix(text, `{"known":`):
		return false, errors.Join(r.leave(), r.known(line))
	case strings.HasPrefix(text, `{"end":`):
		var l endLine
		if err := errors.Join(r.leave(), parseLine(line, &l)); err != nil {
			return false, err
		}
		if l.Channels != r.count.Channels || l.Entries != r.count.Entries || l.IDs != r.count.IDs {
			return false, fmt.Errorf("the export had %d channels, %d entries and %d IDs, and here are %d, %d and %d: lines are missing, or were added", l.Channels, l.Entries, l.IDs, r.count.Channels, r.count.Entries, r.count.IDs)
		}
		return true, nil
	}
	return false, fmt.Errorf("it begins with %.12q, which no line of an export does", text)
}

func (r *restorer) set(key, value []byte) error {
	if err := r.batch.Set(key, value, nil); err != nil {
		return err
	}
	if r.batch.Len() < 1<<20 {
		return nil
	}
	err := r.batch.Commit(pebble.NoSync)
	r.batch.Reset()
	return err
}

// enter begins a channel.
func (r *restorer) enter(line []byte) error {
	var l logLine
	if err := parseLine(line, &l); err != nil {
		return err
	}
	if _, err := pabal.ParseChannel(string(l.Log)); err != nil {
		return err
	}
	if l.Log <= r.log {
		return fmt.Errorf("channel %.80q follows %.80q, and they should be in order", l.Log, r.log)
	}
	if l.Life < 0 {
		return errRow
	}
	edgeOf := func(n [3]uint64) edge { return edge{pabal.Offset(n[0]), tally{n[1], n[2]}} }
	r.log, r.life, r.anew = l.Log, l.Life, l.Damaged
	r.state = state{first: edgeOf(l.First), last: edgeOf(l.Last), end: l.End, fresh: l.Fresh, deleted: l.Deleted,
		low: pabal.Offset(l.First[0]), cut: l.Cut, time: l.Time, touched: l.Touched, due: l.Due,
		keys: keys{keyed: l.Keys.Keyed, kept: l.Keys.Kept, n: l.Keys.N, floor: l.Keys.Floor},
		past: survivors{l.Past.From, l.Past.Ends}, closed: l.Closed, stored: true}
	r.before = mark{edge: r.state.first}
	r.count.Channels++
	r.record.channels++
	if r.anew {
		r.renew()
	}
	return nil
}

// renew makes the state that of a log that was deleted, so that readers of
// what was damaged are told to begin anew.
func (r *restorer) renew() {
	s := &r.state
	s.revive(r.life, &r.past)
	at := max(s.end, s.last.at, r.past.now().base) + 1
	edge := edge{at, s.last.tally}
	*s = state{first: edge, last: edge, cut: pabal.Deleted, end: at, fresh: at, deleted: at, low: at,
		time: s.time, touched: s.touched, due: max(s.due, 1), past: s.past, closed: s.closed, stored: true,
		keys: keys{keyed: true, kept: s.keys.kept, floor: at}}
	r.before = mark{edge: edge}
	r.life, r.keys = r.record.life, map[string]pabal.Offset{}
	r.record.reserve = max(r.record.reserve, at)
	r.count.Renewed++
}

// entry takes an entry of the channel that was begun.
func (r *restorer) entry(line []byte) error {
	var l entryLine
	if err := parseLine(line, &l); err != nil {
		return err
	}
	if pabal.Channel(l.Channel) != r.log || r.log == "" || l.Time == nil {
		return fmt.Errorf("an entry of channel %.80q, in the midst of channel %.80q, or without a time", l.Channel, r.log)
	}
	at, err := pabal.ParsePosition(l.Cursor)
	if err != nil {
		return err
	}
	m, err := l.message()
	if err != nil {
		return err
	}
	if x := l.Exact; x != nil {
		m.ID, m.Type, m.Key, m.ContentType = string(x.ID), string(x.Type), string(x.Key), string(x.ContentType)
	}
	e := &pabal.Entry{Channel: r.log, Epoch: at.Epoch, Offset: at.Offset, Prev: at.Offset - 1, Time: *l.Time, Message: m}
	if l.Prev != nil {
		e.Prev = *l.Prev
	}
	after := tally{r.before.n + 1, r.before.bytes + uint64(e.Size())}
	r.count.Entries++
	if r.anew {
		return r.again(e, after)
	}
	if l.N != nil {
		after = tally{*l.N, l.Bytes}
	}
	r.before = markOf(e, after)
	if l.Last {
		if err := r.setLast(e.Offset, e.Key); err != nil {
			return err
		}
	}
	return r.set(offsetKey(nil, entryRow, r.log, e.Offset), appendEntry(nil, e, after))
}

// again appends e at a new position.
func (r *restorer) again(e *pabal.Entry, after tally) error {
	s := &r.state
	e.Epoch, e.Offset, e.Prev = r.past.now().epoch, s.end+1, s.end
	s.time = max(s.time, e.Time.UnixNano())
	if e.Time.UnixNano() < r.before.time {
		e.Time = time.Unix(0, r.before.time)
	}
	s.end, s.last = e.Offset, edge{e.Offset, after}
	r.before, r.keys[e.Key] = markOf(e, after), e.Offset
	return r.set(offsetKey(nil, entryRow, r.log, e.Offset), appendEntry(nil, e, after))
}

func (r *restorer) setLast(at pabal.Offset, key string) error {
	return errors.Join(
		r.set(offsetKey(nil, lastRow, r.log, at), []byte(key)),
		r.set(lastKeyKey(nil, r.log, key), binary.BigEndian.AppendUint64(nil, uint64(at))))
}

// leave ends the channel, if there is one, and writes its state.
func (r *restorer) leave() error {
	s := &r.state
	if !s.stored {
		return nil
	}
	if r.anew {
		for key, at := range r.keys {
			if err := r.setLast(at, key); err != nil {
				return err
			}
		}
		if s.keys.kept {
			s.keys.n = len(r.keys)
		}
		r.record.reserve = max(r.record.reserve, s.end+reserved)
	}
	err := r.set(channelKey(nil, r.log), s.append(nil, r.life))
	if s.due != 0 {
		err = errors.Join(err, r.set(dueKey(nil, s.due, r.log), nil))
	}
	*s = state{}
	return err
}

func (r *restorer) known(line []byte) error {
	var l knownLine
	if err := parseLine(line, &l); err != nil {
		return err
	}
	end, err := pabal.ParsePosition(l.Cursor)
	if err != nil {
		return err
	}
	digest, err := hex.DecodeString(l.Digest)
	if err != nil || len(digest) != len(pabal.Digest{}) {
		return fmt.Errorf("digest %.80q is none", l.Digest)
	}
	k := once.Known{Name: once.Name{Channel: l.Channel, ID: l.Known, Batch: l.Batch},
		Use: once.Use{Digest: pabal.Digest(digest), End: end, N: l.N}, At: l.Time, Number: l.Number}
	if l.Exact != nil {
		k.ID = string(l.Exact)
	}
	r.count.IDs++
	return r.set(idKey(l.Namespace, l.Number), appendKnown(nil, &k))
}

// finish holds what was written against what is relied on, and has it synced.
func (r *restorer) finish() error {
	if err := r.set([]byte{storeRow}, r.record.append(nil)); err != nil {
		return err
	}
	if err := errors.Join(r.batch.Commit(pebble.NoSync), r.db.Flush()); err != nil {
		return err
	}
	r.past = history{}
	if _, err := r.check(); err != nil {
		return err
	}
	if r.found.N > 0 {
		return fmt.Errorf("the export does not hold together (%d problems), as if lines had been changed: %s", r.found.N, r.found.First[0])
	}
	return nil
}
