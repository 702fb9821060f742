package call

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"strings"
)

// signed are the headers of a hook's request that its signature covers, in this
// order. One that is not there counts as empty.
var signed = []string{"Pabal-Timestamp", "Pabal-Channel", "Pabal-Call", "Pabal-User", "Pabal-User-Data", "Pabal-Connection", "Content-Type"}

// signature returns what Pabal-Signature says: "v1=" and, in hexadecimal,
// HMAC-SHA256 by secret of the lines "v1" and each of signed, as it is sent, each
// with a line feed, and the body.
func signature(secret []byte, h http.Header, body []byte) string {
	mac := hmac.New(sha256.New, secret)
	_, _ = io.WriteString(mac, "v1\n") // a hash never fails
	for _, name := range signed {
		_, _ = io.WriteString(mac, h.Get(name)+"\n")
	}
	_, _ = mac.Write(body)
	return "v1=" + hex.EncodeToString(mac.Sum(nil))
}

var errSignature = errors.New("Pabal-Signature is not that of this request: compare the secrets, and sign the body and the headers as they came")

// VerifySignature reports whether a [Hook]'s request, of that header and body,
// was sent by who has secret. An error says that it was not, or that it was
// changed on its way. Whether it was sent before is for the receiver to see to:
// refuse what has a Pabal-Timestamp of some minutes ago, or remember each
// Pabal-Call for as long. It takes as long whatever is wrong.
func VerifySignature(secret []byte, h http.Header, body []byte) error {
	given := h.Get("Pabal-Signature")
	for _, name := range signed {
		if len(h.Values(name)) > 1 {
			return errors.New(name + " is there more than once: a request of Pabal has it once")
		}
	}
	switch want := signature(secret, h, body); {
	case len(secret) == 0:
		return errors.New("there is no secret to verify with: give that of the hook")
	case given == "":
		return errors.New("the request has no Pabal-Signature: it is not one of Pabal, or something on its way has left it out")
	default:
		for one := range strings.SplitSeq(given, ",") { // of several secrets, while they are changed
			if hmac.Equal([]byte(strings.TrimSpace(one)), []byte(want)) {
				return nil
			}
		}
	}
	return errSignature
}
