package api_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/api"
	"github.com/pabal/pabal/broker/memory"
)

// sink is a response that nobody reads.
type sink struct {
	header http.Header
	status int
	body   []byte
}

func (s *sink) Header() http.Header { return s.header }

func (s *sink) WriteHeader(status int) { s.status = status }

func (s *sink) Write(p []byte) (int, error) {
	s.body = append(s.body[:0], p...)
	return len(p), nil
}

func BenchmarkPublish(b *testing.B) {
	data := strings.Repeat("x", 128)
	for _, c := range []struct{ name, target, contentType, body string }{
		{"single", "/channels/chat", "text/plain", data},
		{"single with an id", "/channels/chat?id=%d", "application/json", `"` + data + `"`},
		{"batch of 100, JSON", "/channels/chat", "application/x-ndjson", strings.Repeat(`{"data":{"n":0.25,"text":"`+data+"\"}}\n", 100)},
		{"batch of 100", "/channels/chat", "application/x-ndjson", strings.Repeat(`{"data":"`+data+"\"}\n", 100)},
	} {
		b.Run(c.name, func(b *testing.B) {
			broker := memory.New(memory.Config{})
			hub := pabal.NewHub(broker, pabal.Limits{})
			defer func() { hub.Close(); _ = broker.Close() }()
			h := &api.Handler{Hub: hub}
			body := bytes.NewReader(nil)
			w := &sink{header: http.Header{}}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				target := c.target
				if strings.Contains(target, "%d") {
					target = fmt.Sprintf(target, i)
				}
				r, err := http.NewRequest(http.MethodPost, target, io.NopCloser(body))
				if err != nil {
					b.Fatal(err)
				}
				body.Reset([]byte(c.body))
				r.Header.Set("Content-Type", c.contentType)
				r.ContentLength, r.RemoteAddr = int64(len(c.body)), "127.0.0.1:1234"
				clear(w.header)
				if h.ServeHTTP(w, r); w.status >= 400 {
					b.Fatalf("%d %s", w.status, w.body)
				}
			}
		})
	}
}
