package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A server is a running Pabal of ours.
type server struct {
	cmd     *exec.Cmd
	address string
	exited  chan error
	tls     *tls.Config // of its clients; nil: without TLS
	client  *http.Client
}

// startTime is how long a server may take to listen, or to end.
const startTime = 10 * time.Second

// startServer starts the binary with its defaults, but for what would get in
// the way: the host's metrics, and a port that may be taken. With a certificate
// it serves TLS.
func startServer(ctx context.Context, binary string, cert *certificate) (*server, error) {
	cmd := exec.CommandContext(ctx, binary, "serve", "--listen=127.0.0.1:0", "--host-metrics=false", "--log-level=warn", "--drain=5s", "--broker=memory")
	s := &server{cmd: cmd, exited: make(chan error, 1)}
	scheme := "http://"
	if cert != nil {
		cmd.Args = append(cmd.Args, "--tls-cert="+cert.certFile, "--tls-key="+cert.keyFile)
		s.tls, scheme = cert.client, "https://"
	}
	s.client = &http.Client{Transport: &http.Transport{TLSClientConfig: s.tls}}
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "PABAL_") {
			cmd.Env = append(cmd.Env, variable)
		}
	}
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("the server does not start: %w", err)
	}
	line := make(chan string, 1)
	go func() {
		r := bufio.NewReader(out)
		first, _ := r.ReadString('\n')
		line <- first
		_, _ = io.Copy(io.Discard, r)
		s.exited <- cmd.Wait()
	}()
	select {
	case first := <-line:
		_, address, ok := strings.Cut(strings.TrimSpace(first), "listening on "+scheme)
		if !ok {
			_ = s.stop()
			return nil, fmt.Errorf("the server should first say where it listens; it said %q", first)
		}
		s.address = address
		return s, nil
	case <-time.After(startTime):
		_ = s.stop()
		return nil, fmt.Errorf("the server did not listen within %v", startTime)
	}
}

// stop ends the server's process.
func (s *server) stop() error {
	s.client.CloseIdleConnections()
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-s.exited:
		if err != nil {
			return fmt.Errorf("the server ended badly: %w", err)
		}
		return nil
	case <-time.After(startTime):
		_ = s.cmd.Process.Kill()
		return fmt.Errorf("the server did not end within %v of SIGTERM: %w", startTime, <-s.exited)
	}
}

// dial connects to s, to speak HTTP/1.1.
func (s *server) dial() (net.Conn, error) {
	if s.tls != nil {
		return tls.DialWithDialer(&net.Dialer{Timeout: startTime}, "tcp", s.address, s.tls)
	}
	return net.DialTimeout("tcp", s.address, startTime)
}

// host is the name by which a page would know s.
func (s *server) host() string {
	_, port, _ := net.SplitHostPort(s.address)
	return "localhost:" + port
}

// metrics returns what the server tells of itself, by name without labels.
func (s *server) metrics() (map[string]float64, error) {
	scheme := "http://"
	if s.tls != nil {
		scheme = "https://"
	}
	resp, err := s.client.Get(scheme + s.address + "/metrics")
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("GET /metrics: %s", resp.Status)
	}
	found := map[string]float64{}
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), " ")
		if number, err := strconv.ParseFloat(value, 64); err == nil {
			found[name] = number
		}
	}
	return found, lines.Err()
}

// awaitReaders waits until the server has n readers.
func (s *server) awaitReaders(ctx context.Context, n int) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startTime, fmt.Errorf("the server did not come to have %d readers within %v", n, startTime))
	defer cancel()
	for {
		m, err := s.metrics()
		if err != nil || int(m["pabal_readers"]) == n {
			return err
		}
		if err := pause(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
}

// settle asks for the metrics, which makes garbage, until the server has
// collected all of it twice. So its heap has the size to which it grows anyway
// as soon as it does anything.
func (s *server) settle(ctx context.Context) (map[string]float64, error) {
	const collections = "go_gc_duration_seconds_count"
	var until float64
	for range 10_000 {
		m, err := s.metrics()
		if err != nil {
			return nil, err
		}
		if until == 0 {
			until = m[collections] + 2
		}
		if m[collections] >= until {
			if err := pause(ctx, 50*time.Millisecond); err != nil { // for the sweep
				return nil, err
			}
			return s.metrics()
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
	return nil, errors.New("the server collected no garbage over 10,000 requests")
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
