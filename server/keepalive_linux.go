package server

import (
	"errors"
	"net"
	"syscall"
	"time"
)

// keepAlive returns a configuration whose connections are probed as k says.
// On Linux they have that from their listener, and need no system calls of
// their own.
func keepAlive(k net.KeepAliveConfig) net.ListenConfig {
	return net.ListenConfig{KeepAlive: -1, Control: func(_, _ string, c syscall.RawConn) error {
		var failed error
		err := c.Control(func(fd uintptr) {
			failed = errors.Join(
				syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_KEEPALIVE, 1),
				syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE, int(k.Idle/time.Second)),
				syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL, int(k.Interval/time.Second)),
				syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_KEEPCNT, k.Count),
			)
		})
		return errors.Join(err, failed)
	}}
}
