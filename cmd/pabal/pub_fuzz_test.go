package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/pabal/pabal/client"
	"github.com/pabal/pabal/internal/wire"
)

// taking is a server without a network that takes whatever is published.
type taking struct{ data []string }

func (s *taking) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	if r.Header.Get("Content-Type") == "application/x-ndjson" {
		batch, err := wire.ParseMessages(body, batchLines)
		if err != nil {
			return nil, err
		}
		for i := range batch {
			s.data = append(s.data, string(batch[i].Data))
		}
	} else {
		s.data = append(s.data, string(body))
	}
	receipt, err := json.Marshal(client.Receipt{Cursor: "z-1"})
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(receipt)), Request: r}, err
}

// Each line of standard input is published as it is, in order, however it
// comes; the last need not end.
func FuzzLines(f *testing.F) {
	for _, text := range []string{"", "\n", "a", "a\n", "a\nb", "a\r\nb\r\n", "\n\n", "\r", "\xff\n\x00\n", "{\"a\":1}\n", "a\n\nb\n", strings.Repeat("x\n", 1100)} {
		f.Add([]byte(text), false)
		f.Add([]byte(text), true)
	}
	f.Fuzz(func(t *testing.T, text []byte, slow bool) {
		server := &taking{}
		p := &pubCmd{Channel: "chat"}
		to := &publisher{client: &client.Client{HTTP: &http.Client{Transport: server}}, cmd: p, cursors: io.Discard}
		var in io.Reader = bytes.NewReader(text)
		if slow {
			in = iotest.OneByteReader(in)
		}
		if err := p.copyLines(t.Context(), bufio.NewReaderSize(in, batchBytes), to); err != nil {
			t.Fatal(err)
		}
		var want []string
		for line := range strings.Lines(string(text)) {
			want = append(want, strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"))
		}
		if !slices.Equal(server.data, want) {
			t.Errorf("published %q, want %q", server.data, want)
		}
		if to.count != len(want) {
			t.Errorf("counted %d messages of %d", to.count, len(want))
		}
	})
}

// The address of a server is refused, or one of HTTP whose meaning does not
// change when it is given again.
func FuzzParseServer(f *testing.F) {
	for _, text := range []string{"", "127.0.0.1:8080", "https://example.com/at", "[::1]:80", "::1", "a:99999", "http://a?b", "http://a#b", "ftp://a", "http:// a", "http://", "a b", "http://u:p@a", "HTTP://A", "http://a:", "http://[::1", "//a"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		server, err := parseServer(text)
		if err != nil {
			if !strings.Contains(err.Error(), "write it as") {
				t.Errorf("%q: the error does not say how to write it: %v", text, err)
			}
			return
		}
		u, err := url.Parse(server)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.RawQuery != "" || u.Fragment != "" {
			t.Errorf("%q is taken for %q, %v", text, server, err)
		}
		if again, err := parseServer(server); err != nil || again != server {
			t.Errorf("%q is %q, which is %q, %v", text, server, again, err)
		}
	})
}
