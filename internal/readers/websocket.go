package readers

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strings"

	"github.com/coder/websocket"
)

// Dial opens a WebSocket on t's channels. Without the subprotocol it is raw.
func Dial(ctx context.Context, t *Target, subprotocol string, query url.Values) (*websocket.Conn, error) {
	options := &websocket.DialOptions{HTTPClient: t.Client, HTTPHeader: t.header()}
	if subprotocol != "" {
		options.Subprotocols = []string{subprotocol}
	}
	conn, resp, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(t.Address("", query), "http"), options)
	if err != nil {
		if resp != nil && resp.StatusCode != http.StatusSwitchingProtocols && resp.StatusCode != 0 {
			return nil, statusError(resp)
		}
		return nil, err
	}
	conn.SetReadLimit(-1)
	if got := conn.Subprotocol(); got != subprotocol {
		_ = conn.CloseNow()
		return nil, fmt.Errorf("subprotocol %q, want %q", got, subprotocol)
	}
	return conn, nil
}

// WebSocket reads by the subprotocol pabal.v1.
func WebSocket(ctx context.Context, t *Target) iter.Seq2[Item, error] {
	return socket(ctx, t, "pabal.v1", nil, func(_ websocket.MessageType, data []byte) (Item, error) { return parseForm(data) })
}

// RawEntry reads a raw WebSocket that sends the JSON form.
func RawEntry(ctx context.Context, t *Target) iter.Seq2[Item, error] {
	return socket(ctx, t, "", url.Values{"format": {"entry"}}, func(_ websocket.MessageType, data []byte) (Item, error) { return parseForm(data) })
}

// Raw reads a raw WebSocket. Its entries have no cursors.
func Raw(ctx context.Context, t *Target) iter.Seq2[Item, error] {
	return socket(ctx, t, "", nil, func(kind websocket.MessageType, data []byte) (Item, error) {
		it := Item{Channel: t.Channels[0], Data: data}
		if kind == websocket.MessageBinary {
			it.ContentType = "application/octet-stream"
		}
		return it, nil
	})
}

func socket(ctx context.Context, t *Target, subprotocol string, query url.Values, parse func(websocket.MessageType, []byte) (Item, error)) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		conn, err := Dial(ctx, t, subprotocol, query)
		if err != nil {
			yield(Item{}, err)
			return
		}
		defer func() { _ = conn.CloseNow() }()
		for {
			kind, data, err := conn.Read(ctx)
			var closed websocket.CloseError
			if errors.As(err, &closed) {
				it, err := ending(closed, t.Channels[0])
				yield(it, err)
				return
			}
			if err == nil && subprotocol != "" && len(data) == 0 {
				continue // a sign of life
			}
			var it Item
			if err == nil {
				it, err = parse(kind, data)
			}
			if !yield(it, err) || err != nil {
				return
			}
		}
	}
}

// ending returns the notice that a raw WebSocket's end stands for.
func ending(closed websocket.CloseError, channel string) (Item, error) {
	switch {
	case closed.Code == 1000 && closed.Reason == "closed":
		return Item{Notice: "$closed", Channel: channel, Detail: Detail{Reason: "closed"}}, nil
	case closed.Code == 4000:
		return Item{Notice: "$gap", Channel: channel, Cursor: closed.Reason}, nil
	case closed.Code == 4001:
		return Item{Notice: "$reset", Channel: channel, Cursor: closed.Reason}, nil
	}
	return Item{}, closed
}
