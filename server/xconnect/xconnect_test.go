package xconnect_test

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pabal/pabal/internal/h2connect"
	_ "github.com/pabal/pabal/server/xconnect"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A server of net/http offers the extended CONNECT and hands it on.
func TestOffered(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		_, _ = w.Write([]byte(r.Method + " " + r.Header.Get(":protocol")))
	}))
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	defer server.Close()
	conn, err := net.DialTimeout("tcp", server.Listener.Addr().String(), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	s, err := h2connect.Open(conn, h2connect.Request{Authority: "pabal.test", Path: "/"})
	if os.Getenv("XCONNECT_OFF") != "" { // run by TestRefused
		if !errors.Is(err, h2connect.ErrNotOffered) {
			t.Fatalf("got %v, want %v", err, h2connect.ErrNotOffered)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	answer := make([]byte, 100)
	n, err := s.Read(answer)
	if got, want := string(answer[:n]), "CONNECT websocket"; err != nil || got != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}

// Other settings in GODEBUG stay, and its own wins if somebody has set it.
func TestRefused(t *testing.T) {
	if os.Getenv("XCONNECT_OFF") != "" {
		return
	}
	for _, c := range []struct {
		given string
		off   bool
	}{{"http2xconnect=0", true}, {"madvdontneed=1,http2xconnect=0", true}, {"madvdontneed=1", false}} {
		cmd := exec.Command(os.Args[0], "-test.run=TestOffered", "-test.v")
		cmd.Env = append(os.Environ(), "GODEBUG="+c.given)
		if c.off {
			cmd.Env = append(cmd.Env, "XCONNECT_OFF=1")
		}
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: TestOffered") {
			t.Errorf("with GODEBUG=%s: %v: %s", c.given, err, out)
		}
	}
}
