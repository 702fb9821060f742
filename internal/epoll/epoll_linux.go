package epoll

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Poller waits for sockets. It does so in Go's own poller, as one file that
// is ready to read when any socket is: a goroutine that waits there holds no
// thread, and is woken without a system call.
type Poller struct {
	fd     int
	file   *os.File
	raw    syscall.RawConn
	woken  atomic.Bool
	found  int   // what collect found
	failed error // and what went wrong
	events [256]unix.EpollEvent
}

// New returns a poller. It must be closed.
func New() (*Poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll_create1: %w", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	p := &Poller{fd: fd, file: os.NewFile(uintptr(fd), "epoll")}
	p.raw, err = p.file.SyscallConn()
	if err == nil {
		err = p.file.SetReadDeadline(time.Time{})
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("waiting for epoll: %w", err), p.file.Close())
	}
	return p, nil
}

// Close lets go of the poller, and of no socket.
func (p *Poller) Close() { _ = p.file.Close() }

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
	p.woken.Store(true)
	_ = p.file.SetReadDeadline(time.Unix(1, 0)) // it fails once p is closed, and nobody waits
}

// Wait appends to events what sockets have become ready for, and returns when
// there is any, when it was woken or when the time is over. Below 0 it waits
// for ever.
func (p *Poller) Wait(events []Event, timeout time.Duration) ([]Event, error) {
	if err := p.wait(timeout); err != nil {
		return events, err
	}
	for _, ev := range p.events[:p.found] {
		events = append(events, Event{
			Token:    uint64(uint32(ev.Fd)) | uint64(uint32(ev.Pad))<<32,
			Readable: ev.Events&(unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0,
			Writable: ev.Events&(unix.EPOLLOUT|unix.EPOLLHUP|unix.EPOLLERR) != 0,
			Gone:     ev.Events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0,
		})
	}
	return events, nil
}

func (p *Poller) wait(timeout time.Duration) error {
	if p.collect(0) || timeout == 0 {
		return p.failed
	}
	var until time.Time
	if timeout > 0 {
		until = time.Now().Add(timeout)
	}
	// In this order: a Wake that is not seen here comes after, and ends the read.
	if err := p.file.SetReadDeadline(until); err != nil {
		return err
	}
	if p.woken.Swap(false) {
		return nil
	}
	err := p.raw.Read(p.collect)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		if until.IsZero() || time.Now().Before(until) { // else a Wake that comes now is for the next
			p.woken.Store(false)
		}
		return nil
	}
	return errors.Join(err, p.failed)
}

// collect takes what is ready, and reports whether there is anything to say.
func (p *Poller) collect(uintptr) bool {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd), uintptr(unsafe.Pointer(&p.events[0])), uintptr(len(p.events)), 0, 0, 0)
	p.found, p.failed = int(n), nil
	if errno != 0 {
		p.found = 0
		if errno != unix.EINTR {
			p.failed = fmt.Errorf("epoll_pwait: %w", errno)
		}
	}
	return p.found > 0 || p.failed != nil
}

// rawIO reads or writes b without Go's scheduler.
func rawIO(call uintptr, fd int, b []byte) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall(call, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	return int(n), errno
}
