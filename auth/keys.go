package auth

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strings"
)

// A Key signs tokens, or says that they were signed. One of Secret, File and
// Text is given.
type Key struct {
	ID        string // the name by which tokens call it (kid); empty: any
	Algorithm string // HS256, RS256, ES256 or EdDSA; empty: what follows from the file
	Secret    []byte // of HS256

	// File holds public keys or certificates in PEM, whose dates are not looked at;
	// or a JSON Web Key Set; or, for HS256, the secret, which is its bytes but for
	// white space at its end.
	File string

	Text string // what File might hold, itself
}

// What a key may be.
const (
	minSecret  = 32   // bytes
	minRSABits = 2048 // less is not safe,
	maxRSABits = 8192 // and more costs too much
	maxKeyFile = 1 << 20
	maxKeys    = 100 // in one set
)

// A key checks signatures of one algorithm.
type key struct {
	id, alg  string
	material any // []byte, *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey
}

// A keyset is the keys that are known at some time. It does not change.
type keyset struct {
	keys    []key
	lacking bool // there should be more, which cannot be read
}

// load returns the keys that k stands for.
func (k Key) load() ([]key, error) {
	if k.Algorithm != "" && methods[k.Algorithm] == nil {
		return nil, fmt.Errorf("algorithm %q is not known; %s are", k.Algorithm, algorithms)
	}
	given := 0
	for _, is := range []bool{len(k.Secret) > 0, k.File != "", k.Text != ""} {
		if is {
			given++
		}
	}
	if given != 1 {
		return nil, errors.New("give a secret, a file or the text of one")
	}
	if k.Text != "" {
		return k.parse([]byte(k.Text))
	}
	if k.File == "" {
		if k.Algorithm != "" && k.Algorithm != "HS256" {
			return nil, fmt.Errorf("a secret is for HS256, not for %s", k.Algorithm)
		}
		return secretKey(k.ID, bytes.Clone(k.Secret))
	}
	text, err := readFile(k.File)
	if err != nil {
		return nil, err
	}
	keys, err := k.parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", k.File, err)
	}
	return keys, nil
}

// parse parses what a file holds.
func (k Key) parse(text []byte) (keys []key, err error) {
	content := bytes.TrimSpace(text)
	switch {
	case bytes.HasPrefix(content, []byte("-----BEGIN ")):
		keys, err = parsePEM(k.ID, content)
	case bytes.HasPrefix(content, []byte("{")):
		if keys, err = parseSet(content, true); err == nil && len(keys) == 0 {
			err = fmt.Errorf("there is no key in it for %s", algorithms)
		}
	case k.Algorithm == "HS256":
		return secretKey(k.ID, bytes.TrimRight(text, " \t\r\n"))
	default:
		err = errors.New("it is neither keys in PEM nor a JSON Web Key Set; a secret must be said to be for HS256")
	}
	if err != nil {
		return nil, err
	}
	for i := range keys {
		if k.Algorithm != "" && keys[i].alg != k.Algorithm {
			return nil, fmt.Errorf("there is a key for %s in it, not for %s", keys[i].alg, k.Algorithm)
		}
		if k.ID != "" {
			keys[i].id = k.ID
		}
	}
	return keys, nil
}

// readFile reads a file of keys.
func readFile(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxKeyFile {
		return nil, fmt.Errorf("%s has %d bytes, a file of keys has %d at most", name, info.Size(), maxKeyFile)
	}
	return os.ReadFile(name)
}

func secretKey(id string, secret []byte) ([]key, error) {
	if len(secret) < minSecret {
		return nil, fmt.Errorf("the secret has %d bytes, %d at least, or it can be guessed: make one with pabal token key --algorithm HS256", len(secret), minSecret)
	}
	return []key{{id, "HS256", secret}}, nil
}

// parsePEM returns the keys of all blocks of text.
func parsePEM(id string, text []byte) (keys []key, err error) {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		var public any
		switch block.Type {
		case "PUBLIC KEY":
			public, err = x509.ParsePKIXPublicKey(block.Bytes)
		case "RSA PUBLIC KEY":
			public, err = x509.ParsePKCS1PublicKey(block.Bytes)
		case "CERTIFICATE":
			var cert *x509.Certificate
			if cert, err = x509.ParseCertificate(block.Bytes); err == nil {
				public = cert.PublicKey
			}
		default:
			err = fmt.Errorf("it holds a %q, where public keys and certificates may be", block.Type)
			if strings.HasSuffix(block.Type, "PRIVATE KEY") {
				err = errors.New("it holds a private key, which a server does not need: give it the public one, as of openssl pkey -pubout")
			}
		}
		if err != nil {
			return nil, err
		}
		alg, err := algorithmOf(public)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key{id, alg, public})
	}
	if len(keys) == 0 {
		return nil, errors.New("there is no whole block of PEM in it")
	}
	return keys, nil
}

// algorithmOf returns the algorithm that a public key is for.
func algorithmOf(public any) (string, error) {
	switch k := public.(type) {
	case *rsa.PublicKey:
		if bits := k.N.BitLen(); bits < minRSABits || bits > maxRSABits {
			return "", fmt.Errorf("an RSA key of %d bits is not taken, only of %d to %d", bits, minRSABits, maxRSABits)
		}
		return "RS256", nil
	case *ecdsa.PublicKey:
		if k.Curve != elliptic.P256() {
			return "", fmt.Errorf("a key on the curve %s is not taken, only on P-256", k.Curve.Params().Name)
		}
		return "ES256", nil
	case ed25519.PublicKey:
		return "EdDSA", nil
	}
	return "", fmt.Errorf("a key of this kind is not taken, only RSA, P-256 and Ed25519")
}
