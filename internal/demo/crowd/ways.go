package crowd

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/pabal/pabal"
)

// ways are how a viewer reads by each technique, until the connection ends.
var ways = map[string]func(*viewer, *line) error{
	"sse":       (*viewer).events,
	"stream":    (*viewer).lines,
	"websocket": (*viewer).socket,
	"longpoll":  (*viewer).polls,
}

// events reads server-sent events in the JSON form of an entry: each is one
// line of data.
func (v *viewer) events(l *line) error {
	return v.body(l, "sse", url.Values{"format": {"entry"}}, []byte("data: {"), len("data: "))
}

// lines reads a stream: each entry is one line.
func (v *viewer) lines(l *line) error {
	return v.body(l, "stream", url.Values{}, []byte("{"), 0)
}

// body reads a response that goes on, of which lines that begin so hold an
// entry or a notice, but for their first bytes.
func (v *viewer) body(l *line, via string, query url.Values, begin []byte, skip int) error {
	if err := v.ask(l, via, query, nil); err != nil {
		return err
	}
	answer, err := v.head(l, http.StatusOK)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	return v.watch(func() error {
		in := bufio.NewReaderSize(answer.Body, 512)
		for {
			err := wholeLine(in, func(text []byte) error {
				if !bytes.HasPrefix(text, begin) {
					return nil
				}
				return v.hear(text[skip:])
			})
			if err != nil {
				return err
			}
		}
	})
}

// hear takes one object in its JSON form.
func (v *viewer) hear(text []byte) error {
	now := time.Now()
	got, err := v.crowd.seen.object(text)
	if err != nil {
		return err
	}
	v.take(got.entries, now)
	if v.place == (pabal.Position{}) { // $open says where it begins
		v.place = got.at
	}
	return nil
}

// spare are buffers for lines that are longer than a reader's own.
var spare = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// wholeLine calls f with the next line, which is f's until it returns.
func wholeLine(in *bufio.Reader, f func([]byte) error) error {
	text, err := in.ReadSlice('\n')
	if err == nil {
		return f(text)
	}
	if !errors.Is(err, bufio.ErrBufferFull) {
		return err
	}
	long := spare.Get().(*bytes.Buffer)
	defer spare.Put(long)
	long.Reset()
	for {
		long.Write(text)
		switch {
		case err == nil:
			return f(long.Bytes())
		case long.Len() > mostBytes:
			return fmt.Errorf("a line of more than %d bytes", mostBytes)
		case !errors.Is(err, bufio.ErrBufferFull):
			return err
		}
		text, err = in.ReadSlice('\n')
	}
}

// mostBytes is how long an entry may be.
const mostBytes = 4 << 20

// polls asks again and again, by one connection. The first answer is at once,
// and says where to begin.
func (v *viewer) polls(l *line) error {
	if err := v.poll(l, "poll", url.Values{}); err != nil {
		return err
	}
	return v.watch(func() error {
		for {
			if err := v.poll(l, "longpoll", url.Values{"wait": {"20"}}); err != nil {
				return err
			}
		}
	})
}

func (v *viewer) poll(l *line, via string, query url.Values) error {
	if err := v.ask(l, via, query, nil); err != nil {
		return err
	}
	answer, err := v.head(l, http.StatusOK, http.StatusNoContent)
	if err != nil {
		return err
	}
	if err := v.answer(answer); err != nil {
		return err
	}
	if answer.Close {
		return io.EOF
	}
	return nil
}

func (v *viewer) answer(answer *http.Response) error {
	defer answer.Body.Close()
	body := spare.Get().(*bytes.Buffer)
	defer spare.Put(body)
	body.Reset()
	if _, err := body.ReadFrom(io.LimitReader(answer.Body, mostBytes)); err != nil {
		return err
	}
	now := time.Now()
	if answer.StatusCode == http.StatusOK {
		got, err := v.crowd.seen.answer(body.Bytes())
		if err != nil {
			return err
		}
		v.take(got.entries, now)
	}
	at, err := pabal.ParsePosition(answer.Header.Get("Pabal-Cursor"))
	if err == nil {
		v.place = at
	}
	return err
}

// socket reads a WebSocket of pabal.v1: each text message is an entry or a
// notice.
func (v *viewer) socket(l *line) error {
	var key [16]byte
	_, _ = rand.Read(key[:]) // it never fails
	err := v.ask(l, "websocket", url.Values{}, http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"},
		"Sec-Websocket-Key": {base64.StdEncoding.EncodeToString(key[:])}, "Sec-Websocket-Protocol": {"pabal.v1"},
	})
	if err != nil {
		return err
	}
	answer, err := v.head(l, http.StatusSwitchingProtocols)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	return v.watch(func() error {
		for {
			if err := v.frame(l); err != nil {
				return err
			}
		}
	})
}

// Frames that viewers know (RFC 6455, section 5.2). The server sends each text
// as one.
const (
	finalText  = 0x81
	finalClose = 0x88
	finalPing  = 0x89
	finalPong  = 0x8a
)

func (v *viewer) frame(l *line) error {
	kind, size, err := frameHead(l.in)
	if err != nil {
		return err
	}
	if size > mostBytes {
		return fmt.Errorf("a frame of %d bytes", size)
	}
	payload := spare.Get().(*bytes.Buffer)
	defer spare.Put(payload)
	payload.Reset()
	if _, err := io.CopyN(payload, l.in, int64(size)); err != nil {
		return err
	}
	switch kind {
	case finalText:
		if size == 0 { // a sign of life
			return nil
		}
		return v.hear(payload.Bytes())
	case finalPing:
		pong := append([]byte{finalPong, 0x80 | byte(size), 0, 0, 0, 0}, payload.Bytes()...) // masked with nothing
		_, err := l.Write(pong)
		return err
	case finalClose:
		return io.EOF
	}
	return fmt.Errorf("a frame of kind %#x", kind)
}

func frameHead(in *bufio.Reader) (kind byte, size uint64, err error) {
	var head [8]byte
	if _, err := io.ReadFull(in, head[:2]); err != nil {
		return 0, 0, err
	}
	kind, size = head[0], uint64(head[1])
	switch size {
	case 126:
		_, err = io.ReadFull(in, head[:2])
		size = uint64(binary.BigEndian.Uint16(head[:2]))
	case 127:
		_, err = io.ReadFull(in, head[:8])
		size = binary.BigEndian.Uint64(head[:8])
	}
	return kind, size, err
}
