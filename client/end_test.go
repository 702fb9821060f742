package client

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/coder/websocket"
)

// The end of a WebSocket is said in plain words.
func TestEndOfWebSocket(t *testing.T) {
	for _, test := range []struct {
		err  error
		want string
	}{
		{websocket.CloseError{Code: 1001, Reason: "draining"}, "the server is stopping"},
		{websocket.CloseError{Code: 1013, Reason: "too many"}, "the server has closed the WebSocket: too many (1013)"},
		{websocket.CloseError{Code: 1011}, "the server has closed the WebSocket with code 1011"},
	} {
		if got := endOfWebSocket(fmt.Errorf("failed to get reader: %w", test.err)).Error(); got != test.want {
			t.Errorf("%v: got %q, want %q", test.err, got, test.want)
		}
	}
	if err := endOfWebSocket(io.EOF); !errors.Is(err, io.EOF) {
		t.Errorf("got %v, want EOF as it is", err)
	}
}
