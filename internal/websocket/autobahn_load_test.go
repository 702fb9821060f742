package websocket

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// roundTrip sends in while it reads, and wants the one message back.
func (c *rawClient) roundTrip(in []byte, chop int, want string) {
	c.t.Helper()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		c.send(in, chop)
	}()
	ev, _ := c.next()
	<-sent
	if got := ev.String(); got != want {
		c.t.Fatalf("got %s, want %s", got, want)
	}
}

// Sections 9.1 to 9.6: messages up to 16 MiB, in fragments, in small packets.
func TestAutobahn9(t *testing.T) {
	server := startEcho(t, Config{})
	client := dialRaw(t, server, "")
	for _, size := range []int{64 << 10, 1 << 20, 16 << 20} {
		payload := strings.Repeat("*", size)
		client.roundTrip(masked(0x81, payload), size, echoOf(OpText, payload))
		client.roundTrip(masked(0x82, payload), size, echoOf(OpBinary, payload))
	}
	payload := strings.Repeat("*", 4<<20)
	for _, size := range []int{64, 256, 4096, 1 << 20, 4 << 20} {
		client.roundTrip(fragmented(0x01, pieces(payload, size)...), len(payload), echoOf(OpText, payload))
		client.roundTrip(fragmented(0x02, pieces(payload, size)...), len(payload), echoOf(OpBinary, payload))
	}
	for _, chop := range []int{64, 512, 2048} {
		client.roundTrip(masked(0x81, payload[:1<<20]), chop, echoOf(OpText, payload[:1<<20]))
	}
	client.send(bye, len(bye))
	if got := client.receive(); len(got) != 1 || got[0] != closed {
		t.Errorf("got %q, want a close frame", got)
	}
}

// Sections 9.7 and 9.8: a thousand messages, one after another.
func TestAutobahn9RoundTrips(t *testing.T) {
	server := startEcho(t, Config{})
	for _, size := range []int{0, 16, 64, 256, 1024, 4096} {
		client := dialRaw(t, server, "")
		payload := strings.Repeat("*", size)
		for range 1000 {
			client.send(masked(0x82, payload), 1<<20)
			if ev, _ := client.next(); ev.String() != echoOf(OpBinary, payload) {
				t.Fatalf("%d bytes: got %s", size, ev)
			}
		}
		client.conn.Close()
	}
}

// Section 10.1: a message that the client fragments by itself. And one over the limit, which section 9 does not have.
func TestAutobahn10(t *testing.T) {
	server := startEcho(t, Config{})
	payload := strings.Repeat("*", 65536)
	client := dialRaw(t, server, "")
	client.roundTrip(fragmented(0x01, pieces(payload, 1300)...), 1<<20, echoOf(OpText, payload))

	client.send([]byte{0x82, 0xff, 0, 0, 0, 0, 1, 0, 0, 1, 1, 2, 3, 4}, 100)
	if ev, ok := client.next(); !ok || ev.Op != OpClose || ev.Code != CodeTooBig {
		t.Errorf("a message of 16 MiB and a byte: got %v, want a close frame with 1009", ev)
	}
}

// Sections 12 and 13: compressed messages, of all sizes, fragmented or not, with all that a client may offer.
func TestAutobahn12And13(t *testing.T) {
	server := startEcho(t, Config{Deflate: true})
	random := rand.New(rand.NewPCG(5, 5))
	var words strings.Builder
	for words.Len() < 131072 {
		fmt.Fprintf(&words, `{"id": %d, "name": "κόσμε %x"}, `, random.IntN(1000), random.Uint32())
	}
	noise := make([]byte, 131072)
	rand.NewChaCha8([32]byte{6}).Read(noise)
	type message struct {
		in   []byte
		want string
	}
	var messages []message
	for _, size := range []int{0, 16, 64, 256, 1024, 8192, 32768, 131072} {
		text, binary := strings.ToValidUTF8(words.String()[:size], ""), string(noise[:size])
		smallText, smallBinary := deflated(text), deflated(binary)
		for _, fragment := range []int{1 << 20, 256, 4096} {
			messages = append(messages,
				message{fragmented(0x41, pieces(smallText, fragment)...), echoOf(OpText, text)},
				message{fragmented(0x42, pieces(smallBinary, fragment)...), echoOf(OpBinary, binary)},
			)
		}
	}
	for _, offer := range []string{
		"permessage-deflate; client_max_window_bits",
		"permessage-deflate; server_no_context_takeover; client_max_window_bits",
		"permessage-deflate; server_max_window_bits=8; client_max_window_bits",
		"permessage-deflate; server_max_window_bits=15; client_max_window_bits",
		"permessage-deflate; server_no_context_takeover; server_max_window_bits=8; client_max_window_bits",
		"permessage-deflate; server_no_context_takeover; server_max_window_bits=15; client_max_window_bits",
		"permessage-deflate; server_no_context_takeover; server_max_window_bits=8; client_max_window_bits, permessage-deflate; server_no_context_takeover; client_max_window_bits, permessage-deflate; client_max_window_bits",
	} {
		client := dialRaw(t, server, offer)
		if got := client.head.Header.Get("Sec-WebSocket-Extensions"); !strings.HasPrefix(got, "permessage-deflate; ") {
			t.Fatalf("offer %q: got %q", offer, got)
		}
		for _, m := range messages {
			client.roundTrip(m.in, 1<<20, m.want)
		}
		client.conn.Close()
	}
}

// A refused handshake is a whole HTTP response.
func TestAutobahnRefusal(t *testing.T) {
	server := startEcho(t, Config{})
	client := dialHead(t, server, strings.Replace(goodRequest, "Version: 13", "Version: 12", 1))
	if client.head.StatusCode != 426 || client.head.Header.Get("Sec-WebSocket-Version") != "13" {
		t.Errorf("got status %d, version %q; want 426 and 13", client.head.StatusCode, client.head.Header.Get("Sec-WebSocket-Version"))
	}
}
