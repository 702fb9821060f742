package epoll

import (
	"encoding/binary"
	"fmt"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Poller waits for sockets.
type Poller struct {
	fd     int
	wakeFD int
	events [256]unix.EpollEvent
}

// wakeToken is what the poller knows its own wake-up call by.
const wakeToken = ^uint64(0)

// New returns a poller. It must be closed.
func New() (*Poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll_create1: %w", err)
	}
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	p := &Poller{fd: fd, wakeFD: wake}
	if err := p.register(wake, wakeToken, unix.EPOLLIN|unix.EPOLLET); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// Close lets go of the poller, and of no socket.
func (p *Poller) Close() {
	_ = unix.Close(p.fd)
	_ = unix.Close(p.wakeFD)
}

// Add has p tell of s, once for each time that it becomes ready. The token may
// be anything but the greatest number.
func (p *Poller) Add(s *Socket, token uint64) error {
	s.poller = p.fd
	return p.register(s.fd, token, unix.EPOLLIN|unix.EPOLLOUT|unix.EPOLLRDHUP|unix.EPOLLET)
}

func (p *Poller) register(fd int, token uint64, events uint32) error {
	ev := unix.EpollEvent{Events: events, Fd: int32(uint32(token)), Pad: int32(uint32(token >> 32))}
	if _, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(p.fd), unix.EPOLL_CTL_ADD, uintptr(fd), uintptr(unsafe.Pointer(&ev)), 0, 0); errno != 0 {
		return fmt.Errorf("epoll_ctl: %w", errno)
	}
	return nil
}

// Wake has the Wait that is under way return, or else the next.
func (p *Poller) Wake() {
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	rawIO(unix.SYS_WRITE, p.wakeFD, one[:]) // fails only when it counts so many calls already that it will wake
}

// Wait appends to events what sockets have become ready for, and returns when
// there is any, when it was woken or when the time is over. Below 0 it waits
// for ever.
func (p *Poller) Wait(events []Event, timeout time.Duration) ([]Event, error) {
	n, err := p.wait(timeout)
	if err != nil {
		return events, err
	}
	for _, ev := range p.events[:n] {
		token := uint64(uint32(ev.Fd)) | uint64(uint32(ev.Pad))<<32
		if token == wakeToken {
			var count [8]byte
			rawIO(unix.SYS_READ, p.wakeFD, count[:])
			continue
		}
		events = append(events, Event{
			Token:    token,
			Readable: ev.Events&(unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0,
			Writable: ev.Events&(unix.EPOLLOUT|unix.EPOLLHUP|unix.EPOLLERR) != 0,
			Gone:     ev.Events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0,
		})
	}
	return events, nil
}

func (p *Poller) wait(timeout time.Duration) (int, error) {
	if timeout == 0 {
		n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd), uintptr(unsafe.Pointer(&p.events[0])), uintptr(len(p.events)), 0, 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
			return 0, nil
		}
		return 0, errno
	}
	ms := -1
	if timeout > 0 {
		ms = int((min(timeout, time.Hour) + time.Millisecond - 1) / time.Millisecond)
	}
	n, err := unix.EpollWait(p.fd, p.events[:], ms)
	if err == unix.EINTR {
		return 0, nil
	}
	return max(n, 0), err
}

// rawIO reads or writes b without Go's scheduler.
func rawIO(call uintptr, fd int, b []byte) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall(call, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	return int(n), errno
}
