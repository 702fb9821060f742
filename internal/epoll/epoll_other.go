//go:build !linux

package epoll

import (
	"errors"
	"net"
	"time"
)

// A Poller waits for sockets: on Linux only.
type Poller struct{}

// A Socket is one connection: on Linux only.
type Socket struct{}

// New says that there are no pollers here.
func New() (*Poller, error) { return nil, errors.ErrUnsupported }

// Take says that there are no sockets here.
func Take(*net.TCPConn, int) (*Socket, error) { return nil, errors.ErrUnsupported }

// Without a poller, nothing below is ever called.

func (p *Poller) Close()                                       {}
func (p *Poller) Add(*Socket, uint64) error                    { return errors.ErrUnsupported }
func (p *Poller) Wake()                                        {}
func (p *Poller) Wait([]Event, time.Duration) ([]Event, error) { return nil, errors.ErrUnsupported }
func (s *Socket) Read([]byte) (int, error)                     { return 0, errors.ErrUnsupported }
func (s *Socket) Write([]byte) (int, error)                    { return 0, errors.ErrUnsupported }
func (s *Socket) CloseWrite()                                  {}
func (s *Socket) Close()                                       {}
func (s *Socket) Peer() string                                 { return "" }
func (s *Socket) Release() (net.Conn, error)                   { return nil, errors.ErrUnsupported }
