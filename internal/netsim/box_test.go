package netsim

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

const proxyAddress = "10.0.0.2:80"

// served is a server that writes ten bytes a second for ten seconds, or takes
// the connection over and echoes, behind b.
func served(t *testing.T, b Box) (*http.Client, *Host) {
	t.Helper()
	n := New(1)
	l, err := n.Listen(address)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		if r.Header.Get("Upgrade") != "" {
			echo(t, rc)
			return
		}
		for range 10 {
			if _, err := io.WriteString(w, "123456789\n"); err != nil || rc.Flush() != nil {
				return
			}
			select {
			case <-time.After(time.Second):
			case <-r.Context().Done():
				return
			}
		}
	})}
	done := make(chan struct{})
	go func() {
		_ = server.Serve(l)
		close(done)
	}()
	stop, err := b.Serve(n.Host("box", Link{}), proxyAddress, address)
	if err != nil {
		t.Fatal(err)
	}
	h := n.Host("h", Link{})
	client := &http.Client{Transport: &http.Transport{DialContext: h.DialContext}}
	t.Cleanup(func() {
		client.CloseIdleConnections()
		stop()
		_ = server.Close()
		l.Kill()
		<-done
	})
	return client, h
}

func echo(t *testing.T, rc *http.ResponseController) {
	c, rw, err := rc.Hijack()
	if err != nil {
		t.Error(err)
		return
	}
	defer c.Close()
	_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	_, _ = io.Copy(c, rw)
}

// arrivals returns when each part of the response arrives, and the error at
// its end.
func arrivals(t *testing.T, client *http.Client) (lines []string, err error) {
	t.Helper()
	begun := time.Now()
	resp, err := client.Get("http://" + proxyAddress)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	in := bufio.NewScanner(resp.Body)
	for in.Scan() {
		lines = append(lines, fmt.Sprint(time.Since(begun).Seconds()))
	}
	return lines, in.Err()
}

func TestBoxPassesOn(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		client, _ := served(t, Box{})
		got, err := arrivals(t, client)
		if want := "0 1 2 3 4 5 6 7 8 9"; strings.Join(got, " ") != want || err != nil {
			t.Errorf("got lines at %v, %v; want %s", got, err, want)
		}
	})
}

func TestBoxBuffers(t *testing.T) {
	bubble(t, "some", func(t *testing.T) {
		client, _ := served(t, Box{Buffer: 35})
		got, err := arrivals(t, client)
		if want := "3 3 3 3 7 7 7 7 10 10"; strings.Join(got, " ") != want || err != nil {
			t.Errorf("got lines at %v, %v; want %s", got, err, want)
		}
	})
	bubble(t, "all", func(t *testing.T) {
		client, _ := served(t, Box{Buffer: 1000})
		got, err := arrivals(t, client)
		if want := strings.TrimSpace(strings.Repeat("10 ", 10)); strings.Join(got, " ") != want || err != nil {
			t.Errorf("got lines at %v, %v; want %s", got, err, want)
		}
	})
}

func TestBoxCutsAtAnAge(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		client, _ := served(t, Box{Age: 4500 * time.Millisecond})
		got, err := arrivals(t, client)
		if want := "0 1 2 3 4"; strings.Join(got, " ") != want || !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("got lines at %v, %v; want %s and a reset", got, err, want)
		}
	})
}

func TestBoxAndUpgrade(t *testing.T) {
	ask := func(t *testing.T, h *Host) (status string, c net.Conn, in *bufio.Reader) {
		c, err := h.DialContext(context.Background(), "tcp", proxyAddress)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		in = bufio.NewReader(c)
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		return resp.Status, c, in
	}
	bubble(t, "passed on", func(t *testing.T) {
		_, h := served(t, Box{Buffer: 1000})
		status, c, in := ask(t, h)
		defer c.Close()
		_, _ = io.WriteString(c, "hi\n")
		if got, err := in.ReadString('\n'); !strings.HasPrefix(status, "101") || got != "hi\n" {
			t.Errorf("got %s, %q, %v", status, got, err)
		}
	})
	bubble(t, "taken out", func(t *testing.T) {
		_, h := served(t, Box{NoUpgrade: true})
		status, c, _ := ask(t, h)
		defer c.Close()
		if status != "200 OK" {
			t.Errorf("got %s", status)
		}
	})
}
