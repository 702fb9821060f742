package server

import (
	"net"
	"syscall"
	"testing"
	"time"
)

// What a connection has of its listener is what was asked for.
func TestKeepAlive(t *testing.T) {
	lc := keepAlive(net.KeepAliveConfig{Enable: true, Idle: 31 * time.Second, Interval: 11 * time.Second, Count: 4})
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	err = raw.Control(func(fd uintptr) {
		for _, option := range []struct{ level, name, want int }{
			{syscall.SOL_SOCKET, syscall.SO_KEEPALIVE, 1}, {syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE, 31},
			{syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL, 11}, {syscall.IPPROTO_TCP, syscall.TCP_KEEPCNT, 4},
			{syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1},
		} {
			if got, err := syscall.GetsockoptInt(int(fd), option.level, option.name); err != nil || got != option.want {
				t.Errorf("option %d/%d is %d, %v, want %d", option.level, option.name, got, err, option.want)
			}
		}
	})
	if err != nil {
		t.Error(err)
	}
}
