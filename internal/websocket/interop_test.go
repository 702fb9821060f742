package websocket

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	coder "github.com/coder/websocket"
)

// TestInterop talks to the echo server with coder/websocket as the client, which shares no code with this package.
func TestInterop(t *testing.T) {
	server := startEcho(t, Config{Subprotocols: []string{"echo.v1"}, Deflate: true})
	for name, mode := range map[string]coder.CompressionMode{
		"plain":   coder.CompressionDisabled,
		"deflate": coder.CompressionNoContextTakeover,
		"context": coder.CompressionContextTakeover,
	} {
		t.Run(name, func(t *testing.T) { interop(t, server, mode) })
	}
}

func interop(t *testing.T, server *echoServer, mode coder.CompressionMode) {
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	conn, response, err := coder.Dial(ctx, "ws://"+server.address()+"/", &coder.DialOptions{
		Subprotocols: []string{"other", "echo.v1"}, CompressionMode: mode, CompressionThreshold: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	conn.SetReadLimit(-1)
	if got := conn.Subprotocol(); got != "echo.v1" {
		t.Errorf("got subprotocol %q, want echo.v1", got)
	}
	if got, want := response.Header.Get("Sec-WebSocket-Extensions") != "", mode != coder.CompressionDisabled; got != want {
		t.Errorf("permessage-deflate is %v, want %v", got, want)
	}
	random := rand.NewChaCha8([32]byte{4})
	for _, size := range []int{0, 1, 125, 126, 127, 65535, 65536, 1 << 20, echoLimit} {
		noise := make([]byte, size)
		random.Read(noise)
		text := bytes.Repeat([]byte("Pabal, the relay post. "), size/23+1)[:size]
		for _, fragment := range []int{size, 1000, 65536} {
			if fragment == 1000 && size > 1<<20 || fragment == size && size == echoLimit {
				continue // the race detector is always on
			}
			what := fmt.Sprintf("%d bytes in fragments of %d", size, fragment)
			echoed(ctx, t, conn, "text, "+what, coder.MessageText, text, fragment)
			echoed(ctx, t, conn, "binary, "+what, coder.MessageBinary, noise, fragment)
		}
	}
	if err := conn.Close(coder.StatusNormalClosure, "done"); err != nil {
		t.Errorf("closing: %v", err)
	}
}

// echoed sends payload, each Write of the client a frame, and compares what comes back.
func echoed(ctx context.Context, t *testing.T, conn *coder.Conn, what string, kind coder.MessageType, payload []byte, fragment int) {
	t.Helper()
	w, err := conn.Writer(ctx, kind)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	for rest := payload; len(rest) > 0; {
		n := min(max(fragment, 1), len(rest))
		if _, err := w.Write(rest[:n]); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		rest = rest[n:]
	}
	if err := w.Close(); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	gotKind, got, err := conn.Read(ctx)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	if gotKind != kind || !bytes.Equal(got, payload) {
		t.Fatalf("%s: got kind %v and %d bytes that differ", what, gotKind, len(got))
	}
}

func TestInteropPing(t *testing.T) {
	server := startEcho(t, Config{})
	conn, _, err := coder.Dial(t.Context(), "ws://"+server.address()+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	ctx := conn.CloseRead(t.Context())
	for range 3 {
		if err := conn.Ping(ctx); err != nil {
			t.Fatal(err)
		}
	}
}
