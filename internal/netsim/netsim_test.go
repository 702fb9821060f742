package netsim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const address = "10.0.0.1:80"

// pair returns both ends of a connection over l, and its host.
func pair(t *testing.T, l Link) (client, server *Conn, h *Host) {
	t.Helper()
	return seeded(t, 1, l)
}

func seeded(t *testing.T, seed uint64, l Link) (client, server *Conn, h *Host) {
	t.Helper()
	n := New(seed)
	listener, err := n.Listen(address)
	if err != nil {
		t.Fatal(err)
	}
	h = n.Host("h", l)
	a, err := h.DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	b, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = a.Close()
		_ = b.Close()
		_ = listener.Close()
	})
	return a.(*Conn), b.(*Conn), h
}

func bubble(t *testing.T, name string, f func(t *testing.T)) {
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}

// text is bytes of which no two parts are alike.
func text(n int) []byte {
	r, b := rand.New(rand.NewPCG(1, 2)), make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func is(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// took tests how long f took.
func took(t *testing.T, what string, want time.Duration, f func()) {
	t.Helper()
	begun := time.Now()
	f()
	if got := time.Since(begun); got != want {
		t.Errorf("%s took %v, want %v", what, got, want)
	}
}

func TestBytesArriveInOrderAfterTheirDelay(t *testing.T) {
	links := map[string]Link{
		"perfect": {}, "far": {Delay: time.Second}, "uneven": {Delay: time.Millisecond, Jitter: time.Second, Broken: true},
		"slow": {Rate: 1000, Room: 100}, "narrow": {Room: 1, Delay: time.Millisecond},
	}
	for name, l := range links {
		bubble(t, name, func(t *testing.T) {
			a, b, _ := pair(t, l)
			want := text(3000)
			begun := time.Now()
			go func() {
				for i := 0; i < len(want); i += 700 {
					if n, err := a.Write(want[i:min(i+700, len(want))]); err != nil {
						t.Errorf("wrote %d: %v", n, err)
					}
				}
				_ = a.CloseWrite()
			}()
			got, err := io.ReadAll(b)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("got %d bytes, %v; want the %d that were written", len(got), err, len(want))
			}
			if since := time.Since(begun); since < l.Delay || l.Rate > 0 && since < 3*time.Second {
				t.Errorf("it took %v", since)
			}
		})
	}
}

func TestDial(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		n := New(1)
		h := n.Host("h", Link{Delay: 50 * time.Millisecond})
		took(t, "a refusal", 100*time.Millisecond, func() {
			_, err := h.DialContext(t.Context(), "tcp", address)
			is(t, "nobody listens", err, syscall.ECONNREFUSED)
		})
		l, err := n.Listen(address)
		if err != nil {
			t.Fatal(err)
		}
		_, err = n.Listen(address)
		is(t, "two listen", err, syscall.EADDRINUSE)
		h.Away(time.Minute)
		took(t, "a dial while away", time.Second, func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := h.DialContext(ctx, "tcp", address)
			is(t, "nothing gets through", err, syscall.ETIMEDOUT)
		})
		took(t, "a dial until it is back", 59*time.Second+100*time.Millisecond, func() {
			c, err := h.DialContext(t.Context(), "tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			if got := c.RemoteAddr().String(); got != address {
				t.Errorf("connected to %s", got)
			}
			_ = l.Close() // it was not accepted
			_, err = c.Read(make([]byte, 1))
			is(t, "closed before it was accepted", err, syscall.ECONNRESET)
			_ = c.Close()
		})
		_, err = l.Accept()
		is(t, "accept", err, net.ErrClosed)
		synctest.Wait()
		if got := h.Conns(); got != 0 {
			t.Errorf("%d connections are left, want none", got)
		}
	})
}

func TestEnds(t *testing.T) {
	one := make([]byte, 1)
	bubble(t, "close", func(t *testing.T) {
		a, b, h := pair(t, Link{Delay: time.Second})
		_, _ = a.Write([]byte("x"))
		_ = a.Close()
		took(t, "the last byte", time.Second, func() {
			if n, err := b.Read(one); n != 1 || err != nil {
				t.Errorf("got %d, %v", n, err)
			}
		})
		if _, err := b.Read(one); err != io.EOF { //nolint:errorlint // net/http compares
			t.Errorf("the end: got %v", err)
		}
		_, err := b.Write([]byte("y"))
		is(t, "to write to who has left", err, syscall.EPIPE)
		_, err = a.Read(one)
		is(t, "to read what is closed", err, net.ErrClosed)
		is(t, "to close twice", a.Close(), net.ErrClosed)
		_ = b.Close()
		synctest.Wait()
		if got := h.Conns(); got != 0 {
			t.Errorf("%d connections are left, want none", got)
		}
	})
	bubble(t, "close where bytes lie unread", func(t *testing.T) {
		a, b, _ := pair(t, Link{Delay: time.Second})
		_, _ = b.Write([]byte("unread"))
		_ = wait(t.Context(), 2*time.Second)
		_ = a.Close()
		_, err := b.Read(one)
		is(t, "the end", err, syscall.ECONNRESET)
	})
	bubble(t, "half", func(t *testing.T) {
		a, b, _ := pair(t, Link{})
		_ = a.CloseWrite()
		if got, err := io.ReadAll(b); len(got) > 0 || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
		_, _ = b.Write([]byte("z"))
		if n, err := a.Read(one); n != 1 || err != nil {
			t.Errorf("the other way: got %d, %v", n, err)
		}
	})
}

func TestDeadlines(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		a, _, _ := pair(t, Link{Room: 10})
		_ = a.SetDeadline(time.Now().Add(time.Second))
		took(t, "a read", time.Second, func() {
			_, err := a.Read(make([]byte, 1))
			is(t, "a read", err, os.ErrDeadlineExceeded)
		})
		_ = a.SetDeadline(time.Now().Add(time.Second))
		took(t, "a write", time.Second, func() {
			n, err := a.Write(make([]byte, 11))
			is(t, "a write", err, os.ErrDeadlineExceeded)
			if n != 10 {
				t.Errorf("wrote %d, want 10", n)
			}
		})
		_ = a.SetReadDeadline(time.Time{})
		time.AfterFunc(time.Hour, func() { _ = a.SetReadDeadline(time.Unix(1, 0)) })
		took(t, "a read that is interrupted", time.Hour, func() {
			_, err := a.Read(make([]byte, 1))
			is(t, "a read", err, os.ErrDeadlineExceeded)
		})
	})
}

// Who is not read from cannot write, until it is.
func TestBackPressure(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		a, b, h := pair(t, Link{Room: 1000})
		h.Pause(time.Minute)
		took(t, "to write into the room", 0, func() { _, _ = b.Write(make([]byte, 1000)) })
		go func() { _, _ = io.CopyN(io.Discard, a, 2000) }()
		took(t, "to write more", time.Minute, func() { _, _ = b.Write(make([]byte, 1000)) })
	})
}

// A cut leaves a part that is the beginning of what was written, and not
// always at the end of a write.
func TestCut(t *testing.T) {
	lengths := map[int]bool{}
	for i := range 40 {
		bubble(t, fmt.Sprint(i), func(t *testing.T) {
			a, b, h := seeded(t, uint64(i), Link{Delay: time.Second})
			want := text(300)
			_, _ = a.Write(want[:100])
			_, _ = a.Write(want[100:])
			if got := h.Cut(); got != 1 {
				t.Errorf("cut %d connections", got)
			}
			got, err := io.ReadAll(b)
			is(t, "the end", err, syscall.ECONNRESET)
			if !bytes.HasPrefix(want, got) {
				t.Error("what arrived is not the beginning of what was written")
			}
			lengths[len(got)] = true
			_, err = b.Write([]byte("x"))
			is(t, "to write", err, syscall.ECONNRESET)
			_, err = a.Read(make([]byte, 1))
			is(t, "the other way", err, syscall.ECONNRESET)
		})
	}
	if len(lengths) < 20 {
		t.Errorf("40 cuts left %d different parts", len(lengths))
	}
}

// Nothing says that a connection was forgotten, until it is dead.
func TestForget(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		a, b, h := pair(t, Link{Dead: time.Minute, Room: 10})
		_, _ = a.Write([]byte("before"))
		_ = wait(t.Context(), time.Second)
		h.Forget()
		took(t, "to read", time.Minute, func() {
			_, err := b.Read(make([]byte, 10))
			is(t, "to read", err, syscall.ETIMEDOUT)
		})
		_, err := a.Write(make([]byte, 20))
		is(t, "to write", err, syscall.ETIMEDOUT)
	})
	bubble(t, "a while", func(t *testing.T) {
		a, b, h := pair(t, Link{Dead: time.Minute})
		h.Away(30 * time.Second)
		_, _ = a.Write([]byte("x"))
		took(t, "to read", 30*time.Second, func() {
			if n, err := b.Read(make([]byte, 10)); n != 1 || err != nil {
				t.Errorf("got %d, %v", n, err)
			}
		})
	})
}

// The same host has the same happen to it, whatever others do.
func TestSeed(t *testing.T) {
	times := func(seed uint64, others int) (got []time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			n := New(seed)
			l, err := n.Listen(address)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			for i := range others {
				if c, err := n.Host(fmt.Sprint("other", i), Link{Jitter: time.Second}).DialContext(t.Context(), "tcp", address); err == nil {
					defer c.Close()
				}
			}
			h := n.Host("h", Link{Jitter: time.Second})
			for range 20 {
				begun := time.Now()
				c, err := h.DialContext(t.Context(), "tcp", address)
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				got = append(got, time.Since(begun))
			}
		})
		return got
	}
	once := fmt.Sprint(times(7, 0))
	if again := fmt.Sprint(times(7, 3)); again != once {
		t.Errorf("the same seed: got %s and %s", once, again)
	}
	if other := fmt.Sprint(times(8, 0)); other == once {
		t.Errorf("another seed: got %s again", once)
	}
}
