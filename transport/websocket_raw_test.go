package transport_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	coder "github.com/coder/websocket"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/readers"
	"github.com/pabal/pabal/transport"
)

// A raw WebSocket that is alone on its channel is an echo: text as text,
// bytes as bytes, in order.
func TestRawEcho(t *testing.T) { pumps(t, &setup{}, rawEcho) }

func rawEcho(t *testing.T, by *setup) {
	server := newNode(t, by).listen(t)
	s := connect(t, server.Plain+"/channels/echo")
	random := rand.New(rand.NewPCG(1, 1))
	for i, size := range []int{0, 1, 125, 126, 127, 1000, 65535, 65536, 1 << 20, 0, 5} {
		text := strings.Repeat("파발!", size/7+1)[:size-size%7]
		noise := make([]byte, size)
		for j := range noise {
			noise[j] = byte(random.Uint32())
		}
		s.send(textFrame, text)
		s.send(binaryFrame, string(noise))
		s.send(pingFrame, fmt.Sprint(i))
		var got []frame
		for len(got) < 3 {
			f, err := s.next()
			if err != nil {
				t.Fatal(err)
			}
			if f.first == pongFrame {
				if string(f.payload) != fmt.Sprint(i) {
					t.Errorf("pong %q, want %d", f.payload, i)
				}
				got = append(got, frame{})
				continue
			}
			want := frame{textFrame, []byte(text)}
			if len(got) > 0 && got[len(got)-1].first != 0 || len(got) > 1 {
				want = frame{binaryFrame, noise}
			}
			if f.first != want.first || !bytes.Equal(f.payload, want.payload) {
				t.Fatalf("size %d: got %v, want %v", size, f, want)
			}
			got = append(got, f)
		}
	}
	s.write(appendFrame(nil, closeFrame, closing(3999, "bye")))
	s.wantClose(3999, "")
}

// Fragments are one message, with control frames in between.
func TestRawFragments(t *testing.T) { pumps(t, &setup{}, rawFragments) }

func rawFragments(t *testing.T, by *setup) {
	server := newNode(t, by).listen(t)
	s := connect(t, server.Plain+"/channels/echo")
	var raw []byte
	var whole strings.Builder
	for i := range 20_000 {
		first := byte(0)
		if i == 0 {
			first = 1
		}
		part := fmt.Sprintf("%d,", i)
		whole.WriteString(part)
		raw = appendFrame(raw, first, []byte(part))
		if i%1000 == 500 {
			raw = appendFrame(raw, pingFrame, nil)
		}
	}
	s.write(appendFrame(raw, 0x80, nil))
	for range 20 {
		s.want(pongFrame, "")
	}
	s.want(textFrame, whole.String())
}

// Who closes hears all of its own echo first, then the close.
func TestRawCloseHearsAll(t *testing.T) { pumps(t, &setup{}, rawCloseHearsAll) }

func rawCloseHearsAll(t *testing.T, by *setup) {
	server := newNode(t, by).listen(t)
	for _, c := range []struct {
		name string
		end  []byte
		code uint16
	}{
		{"close", appendFrame(nil, closeFrame, closing(1000, "done")), 1000},
		{"opcode", appendFrame(nil, 0x83, nil), 1002},
		{"text that is none", appendFrame(nil, textFrame, []byte{0xff}), 1007},
		{"too big", appendFrame(nil, binaryFrame, make([]byte, 1<<20+1)), 1009},
		{"unmasked", []byte{textFrame, 0}, 1002},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := connect(t, server.Plain+"/channels/hears/"+strings.ReplaceAll(c.name, " ", "-"))
			var raw []byte
			const n = 3000
			for i := range n {
				raw = appendFrame(raw, textFrame, fmt.Append(nil, i))
			}
			s.write(append(raw, c.end...))
			for i := range n {
				s.want(textFrame, fmt.Sprint(i))
			}
			s.wantClose(c.code, "")
		})
	}
	s := connect(t, server.Plain+"/channels/hears/nothing")
	s.send(textFrame, "1")
	s.write(appendFrame(nil, closeFrame, nil)) // without a code
	s.want(textFrame, "1")
	s.want(closeFrame, "")
}

// A burst of small messages from a client that reads nothing meanwhile does
// not come to a stop, and loses nothing.
func TestRawBurst(t *testing.T) { pumps(t, &setup{}, rawBurst) }

func rawBurst(t *testing.T, by *setup) {
	server := newNode(t, by).listen(t)
	s := connect(t, server.Plain+"/channels/burst")
	const n = 50_000
	var raw []byte
	for i := range n {
		raw = appendFrame(raw, binaryFrame, binary.BigEndian.AppendUint64(nil, uint64(i)))
	}
	s.write(raw)
	for i := range n {
		s.want(binaryFrame, string(binary.BigEndian.AppendUint64(nil, uint64(i))))
	}
}

// Pings are answered in order, also by the ten thousand, and between messages.
func TestPingStorm(t *testing.T) { pumps(t, &setup{}, pingStorm) }

func pingStorm(t *testing.T, by *setup) {
	server := newNode(t, by).listen(t)
	for _, protocol := range []string{"raw", "pabal.v1"} {
		var headers []string
		if protocol != "raw" {
			headers = []string{"Sec-WebSocket-Protocol: " + protocol}
		}
		s := connect(t, server.Plain+"/channels/storm/"+protocol, headers...)
		const n = 20_000
		var raw []byte
		for i := range n {
			raw = appendFrame(raw, pingFrame, fmt.Append(nil, i))
			if i%100 == 0 && protocol == "raw" {
				raw = appendFrame(raw, textFrame, fmt.Append(nil, i))
			}
		}
		s.write(raw)
		for pongs, texts := 0, 0; pongs < n || texts < n/100 && protocol == "raw"; {
			f, err := s.next()
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case f.first == pongFrame && string(f.payload) == fmt.Sprint(pongs):
				pongs++
			case f.first == textFrame && protocol != "raw": // notices
			case f.first == textFrame && string(f.payload) == fmt.Sprint(texts*100):
				texts++
			default:
				t.Fatalf("%s: got %v after %d pongs and %d messages", protocol, f, pongs, texts)
			}
		}
	}
}

// Where the limit allows it, messages of 16 MiB go through, and more does not.
func TestRawBigMessages(t *testing.T) {
	pumps(t, &setup{limits: pabal.Limits{MessageBytes: 16 << 20}}, rawBigMessages)
}

func rawBigMessages(t *testing.T, by *setup) {
	const limit = 16 << 20
	server := newNode(t, by).listen(t)
	text := bytes.Repeat([]byte("0123456789abcdef"), limit/16)
	noise := make([]byte, limit)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(noise) // never fails
	for _, c := range []struct {
		mode coder.CompressionMode
		most int
	}{{coder.CompressionDisabled, limit}, {coder.CompressionNoContextTakeover, 2 << 20}, {coder.CompressionContextTakeover, 100_000}} {
		echoBig(t, server.Plain+"/channels/big", c.mode, [][]byte{text[:c.most], text[:c.most/2], text[:1000], nil}, [][]byte{noise[:c.most], noise[:1000]})
	}
	s := connect(t, server.Plain+"/channels/big")
	s.write(appendFrame(nil, binaryFrame, append(noise, 0))[:14])
	s.wantClose(1009, "16777216 bytes")
}

func echoBig(t *testing.T, url string, mode coder.CompressionMode, texts, noises [][]byte) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	conn, resp, err := coder.Dial(ctx, "ws"+strings.TrimPrefix(url, "http"), &coder.DialOptions{CompressionMode: mode, CompressionThreshold: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	conn.SetReadLimit(-1)
	if got, want := resp.Header.Get("Sec-WebSocket-Extensions") != "", mode != coder.CompressionDisabled; got != want {
		t.Errorf("deflate: %v, want %v", got, want)
	}
	for kind, list := range map[coder.MessageType][][]byte{coder.MessageText: texts, coder.MessageBinary: noises} {
		for _, data := range list {
			if err := conn.Write(ctx, kind, data); err != nil {
				t.Fatal(err)
			}
			gotKind, got, err := conn.Read(ctx)
			if err != nil || gotKind != kind || !bytes.Equal(got, data) {
				t.Fatalf("%d bytes: got %v of %d bytes, %v", len(data), gotKind, len(got), err)
			}
		}
	}
}

// What is compressed is compressed once, and inflates to what it was.
func TestRawDeflate(t *testing.T) { pumps(t, &setup{}, rawDeflate) }

func rawDeflate(t *testing.T, by *setup) {
	server := newNode(t, by).listen(t)
	deflate := "Sec-WebSocket-Extensions: permessage-deflate"
	plain, small := connect(t, server.Plain+"/channels/deflate"), connect(t, server.Plain+"/channels/deflate", deflate)
	text := strings.Repeat("a message that repeats itself; ", 100)
	plain.send(textFrame, text)
	plain.want(textFrame, text)
	f, err := small.next()
	if err != nil || f.first != 0x40|textFrame || len(f.payload) > len(text)/5 {
		t.Errorf("got %v of %d bytes, %v; want it compressed", f, len(f.payload), err)
	}
	plain.send(textFrame, "short")
	plain.want(textFrame, "short")
	small.want(textFrame, "short")
}

// A raw client's messages are entries for everybody else, and it hears others.
func TestRawPublishes(t *testing.T) { pumps(t, &setup{}, rawPublishes) }

func rawPublishes(t *testing.T, by *setup) {
	server := newNode(t, by).listen(t)
	b := newBook(server)
	client, base := server.Client(readers.H1, nil)
	defer client.CloseIdleConnections()
	s := connect(t, server.Plain+"/channels/chat")
	s.send(textFrame, "by WebSocket")
	s.send(binaryFrame, "\x00\xff")
	s.want(textFrame, "by WebSocket")
	s.want(binaryFrame, "\x00\xff")
	if _, err := b.post(t.Context(), client, base, "chat", []readers.Item{{Data: []byte("by POST")}}); err != nil {
		t.Fatal(err)
	}
	s.want(textFrame, "by POST")
	var got []string
	for it, err := range readers.Poll(t.Context(), &readers.Target{URL: base, Client: client, Channels: []string{"chat"}}) {
		if err != nil {
			t.Fatal(err)
		}
		if it.Notice == readers.At {
			break
		}
		got = append(got, it.ContentType+" "+string(it.Data))
	}
	if want := []string{" by WebSocket", "application/octet-stream \x00\xff", " by POST"}; strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("got %q, want %q", got, want)
	}
	if err := b.closeAll(t.Context(), []string{"chat"}); err != nil {
		t.Fatal(err)
	}
	s.wantClose(1000, "closed")
	end := connect(t, server.Plain+"/channels/chat?since=2")
	end.want(binaryFrame, "\x00\xff")
	end.want(textFrame, "by POST")
	end.wantClose(1000, "closed")
}

// What is refused closes the WebSocket, and says why.
func TestRawRefusals(t *testing.T) {
	pumps(t, &setup{limits: pabal.Limits{MessageBytes: 1000}}, rawRefusals)
}

func rawRefusals(t *testing.T, by *setup) {
	server := newNode(t, by).listen(t)
	for _, c := range []struct {
		path, message string
		code          uint16
		reason        string
	}{
		{"/channels/chat", strings.Repeat("x", 1001), 1009, "1000 bytes"},
		{"/channels/$host/cpu", "mine", 1008, "Pabal's own"},
	} {
		s := connect(t, server.Plain+c.path)
		s.send(textFrame, c.message)
		s.wantClose(c.code, c.reason)
	}
}

// A WebSocket whose client vanishes without a word is given up.
func TestWebSocketKeepAlive(t *testing.T) {
	bubble(t, &setup{reads: transport.Handler{Heartbeat: 10 * time.Second, WriteTimeout: 5 * time.Second}}, func(w *world) {
		conn, err := w.pipes.Dial(w.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		s := handshake(w, conn, "/channels/chat")
		if err := conn.SetDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
		in := record(conn) // takes what comes, and never answers
		w.sleep(24 * time.Second)
		if got := frames(in.bytes()); got != "89 \"\"\n89 \"\"\n" || w.hub.Stats().Sessions != 1 {
			t.Errorf("after 24s: got %q, want two pings", got)
		}
		w.sleep(2 * time.Second)
		if got := w.hub.Stats().Sessions; got != 0 {
			t.Errorf("a reader that does not answer is still served after 26s")
		}
		s.Close()
		<-in.done
	})
}
