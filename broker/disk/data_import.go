package disk

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/wire"
)

// Imported is what [Import] has kept.
type Imported struct {
	Channels, Entries, IDs int64 // channels and IDs are counted of an export only
	Repeated               int64 // messages that were there before, by their IDs
	Renewed                int64 // channels that were damaged when they were exported, and begin anew
}

// Import reads lines of JSON from in. What [Export] has written makes the same
// store again, in c.Dir, which must be empty or not there; if that fails, it
// is left so. Other lines are messages, each with its channel and if need be
// its time, and are appended to the logs in c.Dir, a new store or one that no
// server has open; if a line is wrong, the error says which, and how many
// before it were imported.
func Import(ctx context.Context, c Config, in io.Reader, tell func(Progress)) (Imported, error) {
	return importFrom(ctx, c, vfs.Default, in, tell)
}

func importFrom(ctx context.Context, c Config, fs vfs.FS, in io.Reader, tell func(Progress)) (Imported, error) {
	lines := &lineReader{in: bufio.NewReaderSize(in, 256<<10)}
	t := newTool(ctx, c, fs, tell)
	t.done.Unit = "lines"
	first, err := lines.next()
	if errors.Is(err, io.EOF) {
		err = errors.New("there is no line to import")
	}
	if err != nil {
		return Imported{}, err
	}
	if bytes.HasPrefix(first, []byte(`{"pabal":`)) {
		return t.restore(first, lines)
	}
	return t.publish(first, lines)
}

// maxLine is how long a line may be: a message of 256 MiB has room in it.
const maxLine = 512 << 20

// lineReader reads lines that are not blank.
type lineReader struct {
	in   *bufio.Reader
	line []byte
	n    int // number of the last one
}

// next returns the next line, which is good until it is called again.
func (r *lineReader) next() ([]byte, error) {
	for {
		r.n++
		r.line = r.line[:0]
		for {
			part, err := r.in.ReadSlice('\n')
			r.line = append(r.line, part...)
			if len(r.line) > maxLine {
				return nil, fmt.Errorf("line %d: it is longer than %d MiB; is this a file of lines of JSON?", r.n, maxLine>>20)
			}
			if err == nil || errors.Is(err, io.EOF) && len(r.line) > 0 {
				break
			}
			if !errors.Is(err, bufio.ErrBufferFull) {
				return nil, err
			}
		}
		if line := bytes.TrimSpace(r.line); len(line) > 0 {
			return line, nil
		}
	}
}

// messageLine is a message, as HTTP has its entry.
type messageLine struct {
	Channel     string          `json:"channel"`
	Cursor      string          `json:"cursor"`
	Time        *time.Time      `json:"time"`
	Type        string          `json:"type"`
	ID          string          `json:"id"`
	Key         string          `json:"key"`
	ContentType string          `json:"contentType"`
	Encoding    string          `json:"encoding"`
	Data        json.RawMessage `json:"data"`
}

func (l *messageLine) message() (m pabal.Message, err error) {
	m = pabal.Message{ID: l.ID, Type: l.Type, Key: l.Key}
	m.ContentType, m.Data, err = wire.ParseData(l.ContentType, l.Encoding, l.Data)
	return m, err
}

// parseLine parses a line, of which no member may be unknown.
func parseLine(line []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("this is not what it should be: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the object: put each on a line of its own")
	}
	return nil
}

// importing is what the marker says of a directory while an export goes into
// it: no server starts on it.
const importing = "Pabal data, being imported\n"

func errCut(dir string) error {
	return fmt.Errorf("data directory %s: an import into it was cut off, so it holds a part only; remove it, and import anew", dir)
}

// restore makes in an empty directory what an export says.
func (t *tool) restore(first []byte, lines *lineReader) (done Imported, err error) {
	made, err := t.vacant()
	if err != nil {
		return done, err
	}
	r := &restorer{tool: t, lines: lines}
	if err := t.begin(); err != nil {
		return done, errors.Join(err, t.vacate(made))
	}
	err = t.orHalted(func() error {
		return errors.Join(r.restore(first), t.close())
	})
	if full(err) {
		err = openError(t.config.Dir, err)
	}
	if err == nil {
		err = t.mark()
	}
	if err != nil {
		return Imported{}, errors.Join(fmt.Errorf("%w; nothing was imported", err), t.vacate(made))
	}
	return r.count, nil
}

// vacant sees that the directory is there and empty, and reports whether it
// has made it.
func (t *tool) vacant() (made bool, err error) {
	dir := t.config.Dir
	if text, err := readMarker(t.fs, dir); err == nil && text == importing {
		return false, errCut(dir)
	}
	if _, err := t.fs.Stat(dir); errors.Is(err, os.ErrNotExist) {
		made = true
	}
	if err := prepare(t.fs, dir); err != nil {
		return false, err
	}
	if err := t.hold(); err != nil {
		return false, err
	}
	files, err := t.fs.List(dir)
	if err != nil {
		return false, errors.Join(openError(dir, err), t.lock.Close())
	}
	for _, name := range files {
		if name != "LOCK" {
			_ = t.lock.Close()
			return false, fmt.Errorf("data directory %s: there is data in it, and an export makes a store anew; give a directory that is empty or not there, with --data", dir)
		}
	}
	return made, nil
}

// begin makes the store, marked as one that is not whole.
func (t *tool) begin() error {
	if err := t.writeMark(importing); err != nil {
		return openError(t.config.Dir, err)
	}
	return t.open(func(o *pebble.Options) { o.DisableWAL = true })
}

// mark marks the store as whole.
func (t *tool) mark() error { return t.writeMark(fmt.Sprintf("%s%d\n", markerText, format)) }

// writeMark replaces the marker.
func (t *tool) writeMark(text string) error {
	at := t.fs.PathJoin(t.config.Dir, markerFile)
	f, err := t.fs.Create(at+".new", vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = io.WriteString(f, text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := t.fs.Rename(at+".new", at); err != nil {
		return err
	}
	d, err := t.fs.OpenDir(t.config.Dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// vacate removes what was written, the marker last, and the directory if it
// was made.
func (t *tool) vacate(made bool) error {
	dir := t.config.Dir
	files, err := t.fs.List(dir)
	if err != nil {
		return err
	}
	for _, name := range files {
		if name != markerFile {
			err = errors.Join(err, t.fs.RemoveAll(t.fs.PathJoin(dir, name)))
		}
	}
	if err == nil {
		err = t.fs.RemoveAll(t.fs.PathJoin(dir, markerFile))
	}
	if err == nil && made {
		err = t.fs.Remove(dir)
	}
	return err
}
