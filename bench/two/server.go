package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// A server is a running one.
type server struct {
	cmd     *exec.Cmd
	address string
	errors  bytes.Buffer
	exited  chan error
}

// startTime is how long a server may take to listen, or to end.
const startTime = time.Minute

// pabal starts Pabal with its defaults, but for what would get in the way.
func (w *workshop) pabal(args ...string) (*server, error) {
	usual := []string{"serve", "--listen=127.0.0.1:0", "--host-metrics=false", "--log-level=warn", "--drain=1s", "--rotate-bytes=0"}
	return start(w.at("pabal"), append(usual, args...)...)
}

// start starts a server, whose first line says where it listens.
func start(path string, args ...string) (*server, error) {
	s := &server{cmd: exec.Command(path, args...), exited: make(chan error, 1)}
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "PABAL_") {
			s.cmd.Env = append(s.cmd.Env, variable)
		}
	}
	s.cmd.Stderr = &s.errors
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	line := make(chan string, 1)
	go func() {
		r := bufio.NewReader(out)
		first, _ := r.ReadString('\n')
		line <- first
		_, _ = io.Copy(io.Discard, r)
		s.exited <- s.cmd.Wait()
	}()
	select {
	case first := <-line:
		_, address, ok := strings.Cut(strings.TrimSpace(first), "listening on ")
		if !ok {
			return nil, errors.Join(fmt.Errorf("the server should first say where it listens; it said %q", first), s.kill())
		}
		s.address = strings.TrimPrefix(address, "http://")
		return s, nil
	case <-time.After(startTime):
		return nil, errors.Join(fmt.Errorf("the server did not listen within %v", startTime), s.kill())
	}
}

// pid is the server's process.
func (s *server) pid() int { return s.cmd.Process.Pid }

// stop ends the server with SIGTERM.
func (s *server) stop() error {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-s.exited:
		if err != nil && !ended(err, syscall.SIGTERM) {
			return fmt.Errorf("the server ended badly: %w: %s", err, s.said())
		}
		return nil
	case <-time.After(startTime):
		return errors.Join(fmt.Errorf("the server did not end within %v of SIGTERM", startTime), s.kill())
	}
}

func (s *server) kill() error {
	_ = s.cmd.Process.Kill()
	if err := <-s.exited; err != nil && !ended(err, syscall.SIGKILL) {
		return fmt.Errorf("the server ended badly: %w: %s", err, s.said())
	}
	return nil
}

// ended tells whether a process ended by that signal.
func ended(err error, by syscall.Signal) bool {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return false
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == by
}

// said returns the end of what the server said of errors. It must have ended.
func (s *server) said() string {
	text := strings.TrimSpace(s.errors.String())
	return text[max(0, len(text)-1000):]
}

// A fleet is servers that run at the same time, by name.
type fleet map[string]*server

// stop ends them all, and says what they said of errors if err happened.
func (f fleet) stop(err error) error {
	for name, s := range f {
		stopped := s.stop()
		if err != nil && s.said() != "" {
			err = fmt.Errorf("%w; the server %s said: %s", err, name, s.said())
		}
		err = errors.Join(err, stopped)
	}
	return err
}

// metric returns a metric of a Pabal.
func (s *server) metric(ctx context.Context, name string) (value float64, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.address+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if number, ok := strings.CutPrefix(line, name+" "); ok {
			_, err := fmt.Sscan(number, &value)
			return value, err
		}
	}
	return 0, fmt.Errorf("GET /metrics does not tell %s", name)
}
