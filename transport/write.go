package transport

import (
	"io"
	"time"
)

// pieceBytes is what a reader must take within the write timeout.
const pieceBytes = 32 << 10

// writePieces writes b so that only who takes nothing, or next to nothing, for
// timeout runs into the deadline, however long b is.
func writePieces(w io.Writer, deadline func(time.Time) error, timeout time.Duration, b []byte) error {
	for len(b) > 0 {
		_ = deadline(time.Now().Add(timeout)) // not every ResponseWriter has one
		n, err := w.Write(b[:min(pieceBytes, len(b))])
		if err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}
