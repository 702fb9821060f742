package transport

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/pabal/pabal/internal/problem"
	"github.com/pabal/pabal/internal/wire"
)

// checkCallback reports whether name may be called by a script that this
// server sends: a name, or names joined by dots, of letters, digits and "_"
// that do not begin with a digit.
func checkCallback(name string) error {
	if len(name) > 128 {
		return fmt.Errorf("callback: %d bytes are too many; 128 is the most", len(name))
	}
	for part := range strings.SplitSeq(name, ".") {
		if part == "" || '0' <= part[0] && part[0] <= '9' {
			return fmt.Errorf("callback %.80q: a part between dots is empty or begins with a digit; give it the name of a function, such as got or app.got", name)
		}
		for _, c := range []byte(part) {
			if c != '_' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
				return fmt.Errorf("callback %.80q: byte %q is not allowed (letters, digits, _ and . are)", name, c)
			}
		}
	}
	return nil
}

// appendJSONP appends a script that calls callback with body, which is JSON.
// The comment keeps the callback's name from being the file's first bytes,
// which other programs may take for a format of their own.
func appendJSONP(dst []byte, callback string, body []byte) []byte {
	dst = append(append(append(dst, "/**/"...), callback...), '(')
	return append(wire.AppendScript(dst, bytes.TrimSuffix(body, []byte("\n"))), ");\n"...)
}

// writeJSONPProblem calls callback with p: a script cannot read a status, so
// it is 200.
func writeJSONPProblem(w http.ResponseWriter, callback string, p *problem.Problem) {
	body := appendJSONP(nil, callback, p.Append(nil))
	h := w.Header()
	h.Set("Content-Type", "application/javascript; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body)
}
