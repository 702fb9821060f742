package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/coder/websocket"
)

// protocol is the WebSocket subprotocol of which each message is an entry's
// or a notice's JSON form.
const protocol = "pabal.v1"

func readWebSocket(ctx context.Context, c *connection) error {
	client := *c.client.http()
	client.Transport = feeding{client.Transport, c.watch}
	options := &websocket.DialOptions{HTTPClient: &client, HTTPHeader: c.client.Header.Clone(), Subprotocols: []string{protocol}}
	conn, resp, err := websocket.Dial(ctx, c.url(), options) //nolint:bodyclose // Dial says that it needs no closing
	if err != nil {
		switch {
		case resp == nil || resp.StatusCode == http.StatusSwitchingProtocols:
		case resp.StatusCode/100 == 2:
			return garbled("%s instead of a WebSocket", cmp.Or(resp.Header.Get("Content-Type"), "an answer"))
		default:
			return newError(resp)
		}
		return bareError(err)
	}
	defer func() { _ = conn.CloseNow() }()
	if conn.Subprotocol() != protocol {
		return garbled("a WebSocket without the subprotocol %s", protocol)
	}
	conn.SetReadLimit(maxFrame)
	for {
		_, text, err := conn.Read(ctx)
		if err != nil {
			return endOfWebSocket(err)
		}
		if len(text) == 0 {
			continue // a heartbeat
		}
		if err := c.line(text); err != nil {
			return err
		}
	}
}

// endOfWebSocket says in plain words what err, of a read, means.
func endOfWebSocket(err error) error {
	var closed websocket.CloseError
	switch {
	case !errors.As(err, &closed):
		return err
	case closed.Code == websocket.StatusGoingAway:
		return errors.New("the server is stopping")
	case closed.Reason == "":
		return fmt.Errorf("the server has closed the WebSocket with code %d", closed.Code)
	}
	return fmt.Errorf("the server has closed the WebSocket: %s (%d)", closed.Reason, closed.Code)
}

// feeding is a transport whose upgraded connections feed a watchdog with each
// byte, that of a ping too.
type feeding struct {
	http.RoundTripper
	watch *watchdog
}

func (f feeding) RoundTrip(req *http.Request) (*http.Response, error) {
	through := f.RoundTripper
	if through == nil {
		through = http.DefaultTransport
	}
	resp, err := through.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if both, ok := resp.Body.(io.ReadWriteCloser); ok {
		resp.Body = struct {
			watched
			io.Writer
		}{watched{both, f.watch}, both}
	}
	return resp, nil
}
