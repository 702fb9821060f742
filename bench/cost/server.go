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
}

// startTime is how long a server may take to listen, or to end.
const startTime = 10 * time.Second

// startServer starts the binary with its defaults, but for what would get in
// the way: the host's metrics, and a port that may be taken.
func startServer(ctx context.Context, binary string) (*server, error) {
	cmd := exec.CommandContext(ctx, binary, "serve", "--listen=127.0.0.1:0", "--host-metrics=false", "--log-level=warn", "--drain=5s")
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
	s := &server{cmd: cmd, exited: make(chan error, 1)}
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
		_, address, ok := strings.Cut(strings.TrimSpace(first), "listening on http://")
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

func (s *server) dial() (net.Conn, error) { return net.DialTimeout("tcp", s.address, startTime) }

// clockTicks is the unit of times in /proc: the kernel's USER_HZ, which is 100
// wherever Go runs.
const clockTicks = 100

// cpu returns the CPU time that the server has used so far, in its code and in
// the kernel.
func (s *server) cpu() (time.Duration, error) {
	stat, err := s.proc("stat")
	if err != nil {
		return 0, err
	}
	return cpuOf(stat)
}

// cpuOf reads the CPU time in the text of /proc/PID/stat (proc_pid_stat(5)).
// The command's name may hold anything, so fields are counted from its end.
func cpuOf(stat []byte) (time.Duration, error) {
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	const user, system = 14 - 3, 15 - 3
	if len(fields) <= system {
		return 0, fmt.Errorf("/proc/PID/stat has %d fields, too few", len(fields)+2)
	}
	u, errUser := strconv.ParseInt(fields[user], 10, 64)
	k, errSystem := strconv.ParseInt(fields[system], 10, 64)
	return time.Duration(u+k) * (time.Second / clockTicks), errors.Join(errUser, errSystem)
}

// rss returns the bytes of the server that are in memory. (statm would be off
// by what each CPU has yet to report.)
func (s *server) rss() (int64, error) {
	rollup, err := s.proc("smaps_rollup")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(rollup)) {
		if value, ok := strings.CutPrefix(line, "Rss:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 10, 64)
			return kib << 10, err
		}
	}
	return 0, errors.New("/proc/PID/smaps_rollup has no line Rss")
}

func (s *server) proc(file string) ([]byte, error) {
	return os.ReadFile(fmt.Sprintf("/proc/%d/%s", s.cmd.Process.Pid, file))
}

// metrics returns what the server tells of itself, by name without labels.
func (s *server) metrics() (map[string]float64, error) {
	resp, err := http.Get("http://" + s.address + "/metrics")
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

// ownCPU returns the CPU time that this process has used so far.
func ownCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // of this very process: cannot happen
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
