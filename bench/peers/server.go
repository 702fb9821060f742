package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/pabal/pabal/bench/internal/process"
)

// A server is a running one, of any kind.
type server struct {
	cmd       *exec.Cmd
	address   string
	processes []int
	errors    bytes.Buffer
	exited    chan error
}

// startTime is how long a server may take to listen, or to end.
const startTime = 10 * time.Second

// startServer starts the server of a row.
func startServer(w *workshop, r *row, history int) (*server, error) {
	cmd, address, err := r.command(w, history)
	if err != nil {
		return nil, err
	}
	if cmd.Env == nil {
		for _, variable := range os.Environ() {
			if !strings.HasPrefix(variable, "PABAL_") {
				cmd.Env = append(cmd.Env, variable)
			}
		}
	}
	s := &server{cmd: cmd, address: address, exited: make(chan error, 1)}
	cmd.Stderr = &s.errors
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	line := make(chan string, 1)
	go func() {
		r := bufio.NewReader(out)
		first, _ := r.ReadString('\n')
		line <- first
		_, _ = io.Copy(io.Discard, r)
		s.exited <- cmd.Wait()
	}()
	if err := s.awaitListening(line); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	s.processes, err = process.Tree(cmd.Process.Pid)
	return s, err
}

// awaitListening waits for the line that says where it listens, or until it
// does where that is known.
func (s *server) awaitListening(line chan string) error {
	end := time.After(startTime)
	for s.address == "" {
		select {
		case first := <-line:
			_, address, ok := strings.Cut(strings.TrimSpace(first), "listening on ")
			if !ok {
				return fmt.Errorf("the server should first say where it listens; it said %q", first)
			}
			s.address = strings.TrimPrefix(address, "http://")
		case <-end:
			return fmt.Errorf("the server did not listen within %v", startTime)
		}
	}
	for {
		conn, err := net.Dial("tcp", s.address)
		if err == nil {
			time.Sleep(50 * time.Millisecond) // for the processes that it starts
			return conn.Close()
		}
		select {
		case <-end:
			return err
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// stop ends the server's process.
func (s *server) stop() error {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-s.exited:
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() && status.Signal() == syscall.SIGTERM {
				return nil
			}
		}
		if err != nil {
			return fmt.Errorf("the server ended badly: %w: %s", err, s.said())
		}
		return nil
	case <-time.After(startTime):
		_ = s.cmd.Process.Kill()
		return fmt.Errorf("the server did not end within %v of SIGTERM: %w: %s", startTime, <-s.exited, s.said())
	}
}

// said returns the end of what the server said of errors.
func (s *server) said() string {
	text := strings.TrimSpace(s.errors.String())
	return text[max(0, len(text)-1000):]
}

// settle makes the server do something with its heap, so that it has the size
// to which it grows anyway in use: thousands of requests with a large head for
// what is not there. Then it is left alone a while.
func (s *server) settle(ctx context.Context, r *row) error {
	const requests, headBytes = 3000, 6 << 10
	client := &http.Client{Timeout: startTime}
	defer client.CloseIdleConnections()
	for range requests {
		if r.kind == limit {
			break // has no heap
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.address+"/nothing", nil)
		if err != nil {
			return err
		}
		req.Header.Set("X-Padding", strings.Repeat("x", headBytes))
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
	return pause(ctx, 500*time.Millisecond)
}

// goroutines returns how many a Pabal has.
func (s *server) goroutines(ctx context.Context) (n float64, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.address+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	defer http.DefaultClient.CloseIdleConnections()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "go_goroutines "); ok {
			_, err := fmt.Sscan(value, &n)
			return n, err
		}
	}
	return 0, errors.New("GET /metrics does not tell go_goroutines")
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
