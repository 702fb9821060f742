package call

import (
	"encoding/base64"
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"strings"
	"testing"
)

const vectorFile = "../spec/vectors/hook-signature.json"

var update = flag.Bool("update", false, "write the signatures of "+vectorFile+" anew")

// vectors is the file that says, to tests in any language, which requests of a
// hook have the signature of their secret.
type vectors struct {
	About   []string `json:"about"`
	Vectors []struct {
		Name      string            `json:"name"`
		Secret    string            `json:"secret"`
		Headers   map[string]string `json:"headers"`
		Body      string            `json:"body"`
		Encoding  string            `json:"encoding,omitempty"` // base64: of body
		Signature string            `json:"signature"`
		Valid     bool              `json:"valid"`
	} `json:"vectors"`
}

func TestSignatureVectors(t *testing.T) {
	text, err := os.ReadFile(vectorFile)
	if err != nil {
		t.Fatal(err)
	}
	var file vectors
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	valid := 0
	for i := range file.Vectors {
		v := &file.Vectors[i]
		body := []byte(v.Body)
		if v.Encoding == "base64" {
			if body, err = base64.StdEncoding.DecodeString(v.Body); err != nil {
				t.Fatal(err)
			}
		}
		h := http.Header{}
		for name, value := range v.Headers {
			h.Set(name, value)
		}
		if v.Valid && *update && !strings.Contains(v.Signature, ",") {
			v.Signature = signature([]byte(v.Secret), h, body)
		}
		h.Set("Pabal-Signature", v.Signature)
		if err := VerifySignature([]byte(v.Secret), h, body); (err == nil) != v.Valid {
			t.Errorf("%s: got the error %v, want it valid: %v", v.Name, err, v.Valid)
		}
		if !v.Valid {
			continue
		}
		valid++
		changes(t, v.Name, []byte(v.Secret), h, body)
	}
	if valid < 4 || valid == len(file.Vectors) {
		t.Errorf("%d of %d vectors are valid, want some and not all", valid, len(file.Vectors))
	}
	if *update {
		text, err := json.MarshalIndent(file, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(vectorFile, append(text, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// changes checks that whatever is changed of a request that has the right
// signature, it has it no more.
func changes(t *testing.T, name string, secret []byte, h http.Header, body []byte) {
	wrong := func(what string, secret []byte, h http.Header, body []byte) {
		t.Helper()
		if VerifySignature(secret, h, body) == nil {
			t.Errorf("%s: verified with %s", name, what)
		}
	}
	for _, of := range signed {
		other := h.Clone()
		other.Set(of, h.Get(of)+"x")
		wrong("another "+of, secret, other, body)
		other.Set(of, h.Get(of))
		other.Add(of, "x")
		wrong("two of "+of, secret, other, body)
	}
	moved := h.Clone() // from one header into the next
	moved.Set("Pabal-Channel", h.Get("Pabal-Channel")+"\n"+h.Get("Pabal-Call"))
	moved.Set("Pabal-Call", "")
	wrong("a call within the channel", secret, moved, body)
	wrong("another body", secret, h, append([]byte("x"), body...))
	wrong("another secret", append([]byte("x"), secret...), h, body)
	wrong("no secret", nil, h, body)
	none := h.Clone()
	none.Del("Pabal-Signature")
	wrong("no signature", secret, none, body)
	upper := h.Clone()
	upper.Set("Pabal-Signature", strings.ToUpper(h.Get("Pabal-Signature")))
	wrong("a signature of another version", secret, upper, body)
}
