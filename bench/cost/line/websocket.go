package line

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
)

// frames reads the payload of the messages that a server sends on a WebSocket
// (RFC 6455, section 5.2), and answers its pings.
type frames struct {
	in   *bufio.Reader
	out  io.Writer
	rest uint64 // of the frame that is being read
}

const (
	opClose = 0x8
	opPing  = 0x9
	opPong  = 0xA
	final   = 0x80
	masked  = 0x80
)

func (f *frames) Read(p []byte) (int, error) {
	for f.rest == 0 {
		if err := f.next(); err != nil {
			return 0, err
		}
	}
	n, err := f.in.Read(p[:min(uint64(len(p)), f.rest)])
	f.rest -= uint64(n)
	return n, err
}

// next reads the head of a frame, and does what a control frame asks for.
func (f *frames) next() error {
	first, err := f.in.ReadByte()
	if err != nil {
		return err
	}
	length, err := f.length()
	if err != nil {
		return err
	}
	if op := first & 0xF; op < opClose {
		f.rest = length
		return nil
	} else if op == opClose {
		return io.EOF
	} else if op != opPing && op != opPong {
		return fmt.Errorf("the server sent a frame of the opcode %d", op)
	} else if length > 125 {
		return fmt.Errorf("the server sent a control frame of %d bytes", length)
	} else if payload := make([]byte, length); op == opPing {
		if _, err := io.ReadFull(f.in, payload); err != nil {
			return err
		}
		// Masked with zeros, the payload is what it was.
		_, err := f.out.Write(append([]byte{final | opPong, masked | byte(length), 0, 0, 0, 0}, payload...))
		return err
	}
	_, err = f.in.Discard(int(length))
	return err
}

func (f *frames) length() (uint64, error) {
	short, err := f.in.ReadByte()
	if err != nil || short < 126 {
		return uint64(short), err
	}
	size := 2
	if short == 127 {
		size = 8
	}
	var long [8]byte
	_, err = io.ReadFull(f.in, long[8-size:])
	return binary.BigEndian.Uint64(long[:]), err
}
