package readers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strconv"
)

// Multipart reads multipart/mixed.
func Multipart(ctx context.Context, t *Target) iter.Seq2[Item, error] {
	return t.body(ctx, "multipart", "multipart/mixed", nil, func(resp *http.Response, yield func(Item) bool) error {
		_, params, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
		if err != nil {
			return err
		}
		parts := multipart.NewReader(resp.Body, params["boundary"])
		for {
			part, err := parts.NextRawPart()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			data, err := io.ReadAll(part)
			if err != nil {
				return err
			}
			it, something, err := parsePart(part, data)
			if err != nil {
				return err
			}
			if something && !yield(it) {
				return nil
			}
		}
	})
}

// parsePart parses a part. Nothing is a sign of life.
func parsePart(part *multipart.Part, data []byte) (it Item, something bool, err error) {
	if length := part.Header.Get("Content-Length"); length != strconv.Itoa(len(data)) {
		return it, false, fmt.Errorf("a part of %d bytes says that it has %s", len(data), length)
	}
	header := func(name string) string {
		value, wrong := url.PathUnescape(part.Header.Get(name))
		err = errors.Join(err, wrong)
		return value
	}
	cursor, notice, contentType := header("Pabal-Cursor"), header("Pabal-Notice"), part.Header.Get("Content-Type")
	switch {
	case cursor == "" && notice == "":
		if len(data) > 0 {
			return it, false, fmt.Errorf("a part without a cursor has data: %.80q", data)
		}
		return it, false, err
	case notice != "" || contentType == "application/vnd.pabal.entry+json":
		var wrong error
		it, wrong = parseForm(data)
		err = errors.Join(err, wrong)
		if it.Notice != notice || it.Cursor != cursor {
			err = errors.Join(err, fmt.Errorf("the header %v says another than the part %.200q", part.Header, data))
		}
	default:
		it = Item{
			Channel: header("Pabal-Channel"), Cursor: cursor, Type: header("Pabal-Type"), ID: header("Pabal-Id"),
			Key: header("Pabal-Key"), ContentType: contentType, Data: data,
		}
	}
	it.Vector = header("Pabal-Vector")
	return it, true, err
}
