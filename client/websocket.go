package client

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
)

// protocol is the WebSocket subprotocol of which each message is an entry's
// or a notice's JSON form.
const protocol = "pabal.v1"

func readWebSocket(ctx context.Context, c *connection) error {
	var conn *websocket.Conn
	err := c.client.authorized(ctx, func(header http.Header) (err error) {
		conn, err = c.dial(ctx, header)
		return err
	})
	if err != nil {
		return err
	}
	defer func() { _ = conn.CloseNow() }()
	if conn.Subprotocol() != protocol {
		return garbled("a WebSocket without the subprotocol %s", protocol)
	}
	conn.SetReadLimit(maxFrame)
	var asked atomic.Bool // for another token, without a reply yet
	c.renew = func(ctx context.Context) error {
		token, err := c.client.token(ctx)
		if err != nil {
			return err
		}
		asked.Store(true)
		return wsjson.Write(ctx, conn, map[string]string{"id": refreshID, "command": "refresh", "token": token})
	}
	for {
		_, text, err := conn.Read(ctx)
		if err != nil {
			return endOfWebSocket(err)
		}
		if len(text) == 0 {
			continue // a heartbeat
		}
		if asked.Load() {
			if refused, ok := refreshed(text); ok {
				if asked.Store(false); refused {
					return errRenew
				}
				continue
			}
		}
		if err := c.line(text); err != nil {
			return err
		}
	}
}

// refreshID is that of the command that gives the server another token.
const refreshID = "refresh"

// refreshed reports whether text is the reply to that command, and what it says.
func refreshed(text []byte) (refused, ok bool) {
	var r struct {
		ID     json.RawMessage `json:"id"`
		OK     bool            `json:"ok"`
		Error  json.RawMessage `json:"error"`
		Cursor string          `json:"cursor"` // which an entry has, whatever its id
	}
	err := json.Unmarshal(text, &r)
	if err != nil || string(r.ID) != `"`+refreshID+`"` || r.Cursor != "" {
		return false, false
	}
	return !r.OK, true
}

func (c *connection) dial(ctx context.Context, header http.Header) (*websocket.Conn, error) {
	client := *c.client.http()
	client.Transport = feeding{client.Transport, c.watch}
	options := &websocket.DialOptions{HTTPClient: &client, HTTPHeader: header, Subprotocols: []string{protocol}}
	conn, resp, err := websocket.Dial(ctx, c.url(), options) //nolint:bodyclose // Dial says that it needs no closing
	switch {
	case err == nil:
		return conn, nil
	case resp == nil || resp.StatusCode == http.StatusSwitchingProtocols:
		return nil, bareError(err)
	case resp.StatusCode/100 == 2:
		return nil, garbled("%s instead of a WebSocket", cmp.Or(resp.Header.Get("Content-Type"), "an answer"))
	}
	return nil, newError(resp)
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
