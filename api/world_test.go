package api_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/api"
	"github.com/pabal/pabal/broker/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A world is a handler over an empty memory broker.
type world struct {
	*testing.T
	broker  *memory.Broker
	hub     *pabal.Hub
	handler *api.Handler
}

func newWorld(t *testing.T, limits pabal.Limits) *world {
	broker := memory.New(memory.Config{})
	hub := pabal.NewHub(broker, limits)
	t.Cleanup(func() {
		hub.Close()
		if err := broker.Close(); err != nil {
			t.Error(err)
		}
	})
	return &world{t, broker, hub, &api.Handler{Hub: hub}}
}

// do asks for target; each of headers is "Name: value".
func (w *world) do(method, target, body string, headers ...string) *httptest.ResponseRecorder {
	w.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		r.Header.Set(name, value)
	}
	return w.serve(r)
}

func (w *world) serve(r *http.Request) *httptest.ResponseRecorder {
	resp := httptest.NewRecorder()
	w.handler.ServeHTTP(resp, r)
	return resp
}

// refused tests that resp has status and says why.
func (w *world) refused(what string, resp *httptest.ResponseRecorder, status int, says string) {
	w.Helper()
	var p struct{ Detail, Limit string }
	if err := json.Unmarshal(resp.Body.Bytes(), &p); err != nil || resp.Code != status || !strings.Contains(p.Limit+": "+p.Detail, says) {
		w.Errorf("%s: got %d %s; want %d and something about %q", what, resp.Code, resp.Body, status, says)
	}
}

// kept returns the messages of the channel chat.
func (w *world) kept() (messages []pabal.Message) {
	w.Helper()
	page, err := w.broker.Read(w.Context(), "chat", pabal.Query{MaxEntries: 1000, MaxBytes: 1 << 20})
	if err != nil {
		w.Fatal(err)
	}
	for _, e := range page.Entries {
		messages = append(messages, e.Message)
	}
	return messages
}

// end returns the cursor of the end of the channel chat.
func (w *world) end() string {
	w.Helper()
	at, _, err := w.hub.End(w.Context(), "chat")
	if err != nil {
		w.Fatal(err)
	}
	return at.String()
}
