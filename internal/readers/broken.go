package readers

import (
	"errors"
	"io"
	"net"
	"strings"

	"github.com/coder/websocket"
)

// IsBroken reports whether err is of a connection that broke, or could not be
// made.
func IsBroken(err error) bool {
	var op *net.OpError
	if websocket.CloseStatus(err) == websocket.StatusGoingAway {
		return true
	}
	if errors.As(err, &op) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) {
		return true
	}
	for _, text := range []string{"server closed idle connection", "connection broken", "http2: ", "connection reset"} {
		if strings.Contains(err.Error(), text) {
			return true
		}
	}
	return false
}
