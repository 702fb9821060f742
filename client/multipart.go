package client

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"mime"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/wire"
)

// readMultipart reads parts, each an entry whose body is the bare data, or a
// notice in its JSON form; an empty one without a cursor is a heartbeat. Their
// lengths say where they end, so that data may be anything.
func readMultipart(ctx context.Context, c *connection) error {
	resp, err := c.stream(ctx)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	media, params, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if !strings.HasPrefix(media, "multipart/") || params["boundary"] == "" {
		return garbled("%q instead of multipart/mixed", media)
	}
	in := bufio.NewReader(resp.Body)
	for {
		line, err := readLine(in)
		if err != nil {
			return err
		}
		switch string(line) {
		case "--" + params["boundary"]:
			if err := c.readPart(in); err != nil {
				return err
			}
		case "--" + params["boundary"] + "--":
			return nil
		case "": // what ends a body
		default:
			return garbled("%.80q instead of a boundary", line)
		}
	}
}

// readPart reads one part after its boundary.
func (c *connection) readPart(in *bufio.Reader) error {
	header, err := readHead(in)
	if err != nil {
		return err
	}
	length, err := strconv.Atoi(header.Get("Content-Length"))
	if err != nil || length < 0 || length > maxFrame {
		return garbled("a part with Content-Length %.80q", header.Get("Content-Length"))
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(in, body); err != nil {
		return err
	}
	return c.part(header, body)
}

// maxHead is the most bytes that the header of a part may have.
const maxHead = 1 << 20

// readHead reads the header of a part, and the empty line after it.
func readHead(in *bufio.Reader) (textproto.MIMEHeader, error) {
	var head []byte
	for {
		line, err := readLine(in)
		if err != nil {
			return nil, err
		}
		head = append(append(head, line...), "\r\n"...)
		if len(line) == 0 {
			return textproto.NewReader(bufio.NewReader(bytes.NewReader(head))).ReadMIMEHeader()
		}
		if len(head) > maxHead {
			return nil, garbled("a part with a header of more than %d bytes", maxHead)
		}
	}
}

// entryType is the content type of a part whose body is the JSON form, where
// the bare data could not stand in a part.
const entryType = "application/vnd.pabal.entry+json"

func (c *connection) part(h textproto.MIMEHeader, body []byte) error {
	switch {
	case h.Get("Pabal-Notice") != "" || h.Get("Content-Type") == entryType:
		return c.line(body)
	case h.Get("Pabal-Cursor") == "":
		return nil
	}
	at, err := pabal.ParsePosition(h.Get("Pabal-Cursor"))
	if err != nil {
		return garbled("%v", err)
	}
	e := &pabal.Entry{Channel: pabal.Channel(h.Get("Pabal-Channel")), Epoch: at.Epoch, Offset: at.Offset, Message: pabal.Message{Data: body}}
	// A part always has a type; what it implies is left out, as elsewhere.
	if contentType := h.Get("Content-Type"); contentType != wire.ContentType(&e.Message) {
		e.ContentType = contentType
	}
	if when := h.Get("Pabal-Time"); when != "" {
		if e.Time, err = time.Parse(time.RFC3339Nano, when); err != nil {
			return garbled("Pabal-Time: %v", err)
		}
	}
	for name, field := range map[string]*string{"Pabal-Id": &e.ID, "Pabal-Type": &e.Type, "Pabal-Key": &e.Key} {
		if *field, err = url.PathUnescape(h.Get(name)); err != nil {
			return garbled("%s: %v", name, err)
		}
	}
	return c.take(e)
}
