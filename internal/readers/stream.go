package readers

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"net/http"
	"net/url"
)

// body asks for a response that goes on, and has read yield what is in it. It
// ends without an error where the response ends well, 204 included.
func (t *Target) body(ctx context.Context, via, media string, query url.Values, read func(*http.Response, func(Item) bool) error) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		resp, err := t.get(ctx, via, query)
		if err != nil {
			yield(Item{}, err)
			return
		}
		defer resp.Body.Close()
		if resp.StatusCode == http.StatusNoContent {
			yield(Item{Notice: Gone}, nil)
			return
		}
		stopped := false
		err = expect(resp, media)
		if err == nil {
			err = read(resp, func(it Item) bool {
				stopped = !yield(it, nil)
				return !stopped
			})
		}
		if err != nil && !stopped {
			yield(Item{}, err)
		}
	}
}

// Gone is the Notice of an item that stands for 204: nothing will ever come.
const Gone = "gone"

// Stream reads NDJSON.
func Stream(ctx context.Context, t *Target) iter.Seq2[Item, error] {
	return t.body(ctx, "stream", "application/x-ndjson", nil, func(resp *http.Response, yield func(Item) bool) error {
		in := bufio.NewReader(resp.Body)
		for {
			line, err := in.ReadBytes('\n')
			if errors.Is(err, io.EOF) && len(line) > 0 {
				return io.ErrUnexpectedEOF
			}
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			if len(bytes.TrimSpace(line)) == 0 {
				continue // a sign of life, or padding
			}
			it, err := parseForm(line)
			if err != nil {
				return err
			}
			if !yield(it) {
				return nil
			}
		}
	})
}
