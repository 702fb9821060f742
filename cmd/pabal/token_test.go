package main

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// Keys at a URL check a token as those in a file do, and only their owner may
// read what signs.
func TestTokenKeys(t *testing.T) {
	defer goleak.VerifyNone(t)
	dir := t.TempDir()
	t.Chdir(dir)
	expect(t, 0, "holds the private key", "token", "key", "--algorithm", "EdDSA", "-o", "ed")
	for name, mode := range map[string]os.FileMode{"ed": 0o600, "ed.pub": 0o644} {
		if info, err := os.Stat(name); err != nil || info.Mode() != mode {
			t.Errorf("%s: got %v, %v, want mode %v", name, info.Mode(), err, mode)
		}
	}
	if err := os.WriteFile("x.pub", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	expect(t, 1, "x.pub: file exists", "token", "key", "-o", "x")
	if _, err := os.Stat("x"); err == nil {
		t.Error("half of a pair of keys is left")
	}

	// The keys of RFC 8037, appendix A.
	const seed, public = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A", "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
	set, err := json.Marshal(map[string]any{"keys": []map[string]string{{"kty": "OKP", "crv": "Ed25519", "x": public, "d": seed, "kid": "rfc"}}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "set.json")
	if err := os.WriteFile(file, set, 0o600); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(set) }))
	defer http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	defer server.Close()
	printed, _ := command(t.Context(), "token", "--key-file", "ed", "--kid", "rfc", "--user", "a")
	for _, args := range [][]string{{"--jwks-file", file}, {"--jwks-url", server.URL}} {
		expect(t, 1, "DOES NOT HOLD", append([]string{"token", "inspect", strings.TrimSpace(printed)}, args...)...)
	}
	private := pemOf(t, seed)
	if err := os.WriteFile("rfc", private, 0o600); err != nil {
		t.Fatal(err)
	}
	printed, _ = command(t.Context(), "token", "--key-file", "rfc", "--kid", "rfc", "--user", "a")
	for _, args := range [][]string{{"--jwks-file", file}, {"--jwks-url", server.URL}} {
		expect(t, 0, "signature         holds", append([]string{"token", "inspect", strings.TrimSpace(printed)}, args...)...)
	}
	expect(t, 1, "is no URL for keys", "token", "inspect", strings.TrimSpace(printed), "--jwks-url", "http://example.com/")
}

// pemOf returns the Ed25519 key of that seed in PEM.
func pemOf(t *testing.T, seed string) []byte {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(seed)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(ed25519.NewKeyFromSeed(raw))
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
}

// What is said of a token goes to a terminal: nothing in it steers that.
func TestShown(t *testing.T) {
	for in, want := range map[string]string{"alice": "alice", "파발": "파발", "a b": `"a b"`, "a\u009bJ": `"a\u009bJ"`, "\u202eevil": `"\u202eevil"`, "": ""} {
		if got := quoted(in); got != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
	}
	if got, want := shown("{\"a\":\"\u009b\u202e é\"}"), `{"a":"\u009b\u202e é"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	now := time.Unix(1000, 0).UTC()
	if got, want := moment(now.Add(90*time.Second), now), "1970-01-01T00:18:10Z, in 1m30s"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// Standard input that does not end is no token.
func TestTokenFromStandardInput(t *testing.T) {
	if _, err := new(tokenInspectCmd).read(io.LimitReader(zeros{}, 1<<30)); err == nil || !strings.Contains(err.Error(), "more than 1048576 bytes") {
		t.Errorf("got %v", err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }
