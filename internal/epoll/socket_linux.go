package epoll

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/netip"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Socket is one connection.
type Socket struct {
	fd     int // -1 when nothing is left of it: its number may be another's then
	poller int // that it was added to; 0: none
}

// Take takes c's descriptor over, so that nothing of c is left: it is closed,
// the connection is not. The kernel may keep about sendBuffer bytes that the
// peer has not taken.
func Take(c *net.TCPConn, sendBuffer int) (*Socket, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	fd := -1
	var dupErr error
	err = raw.Control(func(old uintptr) {
		dup, _, errno := unix.RawSyscall(unix.SYS_FCNTL, old, unix.F_DUPFD_CLOEXEC, 0)
		if fd = int(dup); errno != 0 {
			dupErr = errno
		}
	})
	if err = errors.Join(err, dupErr); err != nil {
		return nil, fmt.Errorf("taking over a connection: %w", err)
	}
	s := &Socket{fd: fd}
	size := int32(min(sendBuffer, math.MaxInt32))
	if _, _, errno := unix.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_SNDBUF, uintptr(unsafe.Pointer(&size)), unsafe.Sizeof(size), 0); errno != 0 {
		s.Close()
		return nil, fmt.Errorf("SO_SNDBUF: %w", errno)
	}
	if err := c.Close(); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Read reads what is there: [ErrAgain] if nothing is, [io.EOF] at the end.
func (s *Socket) Read(b []byte) (int, error) { return s.do(unix.SYS_READ, b, io.EOF) }

// Write writes as much as there is room for: [ErrAgain] if there is none. When
// it took less than all, the poller tells when there is room.
func (s *Socket) Write(b []byte) (int, error) { return s.do(unix.SYS_WRITE, b, nil) }

func (s *Socket) do(call uintptr, b []byte, none error) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	for {
		switch n, errno := rawIO(call, s.fd, b); {
		case errno == unix.EINTR:
		case errno == unix.EAGAIN:
			return 0, ErrAgain
		case errno != 0:
			return 0, errno
		case n == 0:
			return 0, none
		default:
			return n, nil
		}
	}
}

// Release gives the connection to Go again. Nothing of s is left, also after an
// error: then the connection has ended.
func (s *Socket) Release() (net.Conn, error) {
	if s.poller != 0 {
		if err := unix.EpollCtl(s.poller, unix.EPOLL_CTL_DEL, s.fd, nil); err != nil {
			s.Close()
			return nil, fmt.Errorf("epoll_ctl: %w", err)
		}
	}
	file := os.NewFile(uintptr(s.fd), "") // which closes s.fd
	s.fd = -1
	c, err := net.FileConn(file)
	return c, errors.Join(err, file.Close())
}

// CloseWrite tells the peer that nothing follows.
func (s *Socket) CloseWrite() {
	_, _, _ = unix.RawSyscall(unix.SYS_SHUTDOWN, uintptr(s.fd), unix.SHUT_WR, 0)
}

// Close ends the connection. To close twice, or after Release, does nothing.
func (s *Socket) Close() {
	if s.fd < 0 {
		return
	}
	_, _, _ = unix.RawSyscall(unix.SYS_CLOSE, uintptr(s.fd), 0, 0)
	s.fd = -1
}

// Peer returns the address at the other end, as net/http writes it.
func (s *Socket) Peer() string {
	at, err := unix.Getpeername(s.fd)
	if err != nil {
		return "unknown"
	}
	switch at := at.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(at.Addr), uint16(at.Port)).String()
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(at.Addr).Unmap(), uint16(at.Port)).String()
	}
	return "unknown"
}
