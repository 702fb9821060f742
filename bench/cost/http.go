package main

import (
	"bufio"
	"bytes"
	"fmt"
	"strconv"
)

// A head is what this program wants to know of a response's head.
type head struct {
	status int
	length int    // of the body; 0 if it was not said
	cursor string // Pabal-Cursor
	later  bool   // Retry-After: there is no more for now
	chunks bool   // the body is in chunks
}

// readHead reads the head of an HTTP/1.1 response. It is an error if the status
// is none of a success.
func readHead(in *bufio.Reader) (h head, err error) {
	line, err := in.ReadSlice('\n')
	if err != nil {
		return h, err
	}
	_, status, _ := bytes.Cut(line, []byte(" "))
	code, _, _ := bytes.Cut(status, []byte(" "))
	if h.status, err = strconv.Atoi(string(code)); err != nil {
		return h, fmt.Errorf("the server answered %q, which is no HTTP", line)
	}
	for {
		if line, err = in.ReadSlice('\n'); err != nil {
			return h, err
		}
		name, value, _ := bytes.Cut(bytes.TrimSpace(line), []byte(": "))
		switch string(name) {
		case "":
			return h, h.check(in)
		case "Content-Length":
			if h.length, err = strconv.Atoi(string(value)); err != nil {
				return h, fmt.Errorf("the server answered with the length %q", value)
			}
		case "Transfer-Encoding":
			h.chunks = true
		case "Pabal-Cursor":
			h.cursor = string(value)
		case "Retry-After":
			h.later = true
		}
	}
}

// check makes an error of what is no success. Its body says why.
func (h *head) check(in *bufio.Reader) error {
	if h.status == 101 || h.status/100 == 2 {
		return nil
	}
	why, _ := in.Peek(min(h.length, in.Size()))
	return fmt.Errorf("the server answered %d: %s", h.status, why)
}

// discardBody reads the body after h.
func discardBody(in *bufio.Reader, h head) error {
	if !h.chunks {
		_, err := in.Discard(h.length)
		return err
	}
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return err
		}
		n, err := strconv.ParseUint(string(bytes.TrimSpace(line)), 16, 31)
		if err != nil {
			return fmt.Errorf("the server sent a chunk of the length %q", line)
		}
		if _, err := in.Discard(int(n) + len("\r\n")); err != nil || n == 0 {
			return err
		}
	}
}
