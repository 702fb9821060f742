package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Keys sign tokens, by the row of who has one.
type keys struct {
	secret  []byte
	private *ecdsa.PrivateKey
	files   map[string]string // the setting of a server that knows the key
}

func newKeys(dir string) (*keys, error) {
	k := &keys{secret: []byte(rand.Text() + rand.Text())}
	var err error
	if k.private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKIXPublicKey(&k.private.PublicKey)
	if err != nil {
		return nil, err
	}
	secret, public := filepath.Join(dir, "secret"), filepath.Join(dir, "public.pem")
	k.files = map[string]string{"hs256": "--token-secret-file=" + secret, "es256": "--token-key-file=" + public}
	if err := os.WriteFile(secret, k.secret, 0o600); err != nil {
		return nil, err
	}
	return k, os.WriteFile(public, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o600)
}

// header is the line of a request's head with the token of a user, for an hour;
// of whoever reads without, none.
func (k *keys) header(row string, user int) (string, error) {
	var sign func(text []byte) ([]byte, error)
	var algorithm string
	switch row {
	case "hs256":
		algorithm = "HS256"
		sign = func(text []byte) ([]byte, error) {
			h := hmac.New(sha256.New, k.secret)
			h.Write(text)
			return h.Sum(nil), nil
		}
	case "es256":
		algorithm = "ES256"
		sign = func(text []byte) ([]byte, error) {
			hash := sha256.Sum256(text)
			r, s, err := ecdsa.Sign(rand.Reader, k.private, hash[:])
			if err != nil {
				return nil, err
			}
			return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...), nil
		}
	default:
		return "", nil
	}
	coded := base64.RawURLEncoding
	claims := fmt.Sprintf(`{"sub":"reader-%d","exp":%d,"pabal":{"read":["fan","news/*"],"publish":["fan"],"see":["fan"]}}`, user, time.Now().Add(time.Hour).Unix())
	token := coded.EncodeToString(fmt.Appendf(nil, `{"alg":%q,"typ":"JWT"}`, algorithm)) + "." + coded.EncodeToString([]byte(claims))
	signature, err := sign([]byte(token))
	return "Authorization: Bearer " + token + "." + coded.EncodeToString(signature) + "\r\n", err
}
