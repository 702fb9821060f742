package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// A SigningKey makes tokens.
type SigningKey struct {
	ID string // by which tokens call it (kid); empty: they do not

	alg      string
	material any // []byte or a crypto.Signer
}

// Algorithm returns which one k is for.
func (k *SigningKey) Algorithm() string { return k.alg }

// ReadSecret returns the key for HS256 whose secret is in file, as [Key] has it.
func ReadSecret(file string) (*SigningKey, error) {
	keys, err := Key{Algorithm: "HS256", File: file}.load()
	if err != nil {
		return nil, err
	}
	if len(keys) != 1 {
		return nil, fmt.Errorf("%s: it holds %d keys, and one signs: give a file with one", file, len(keys))
	}
	return &SigningKey{ID: keys[0].id, alg: "HS256", material: keys[0].material}, nil
}

// ReadPrivate returns the RSA, P-256 or Ed25519 key that is in file, in PEM.
func ReadPrivate(file string) (*SigningKey, error) {
	text, err := readFile(file)
	if err != nil {
		return nil, err
	}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		var private any
		switch {
		case block.Type == "PRIVATE KEY":
			private, err = x509.ParsePKCS8PrivateKey(block.Bytes)
		case block.Type == "RSA PRIVATE KEY" && block.Headers["DEK-Info"] == "":
			private, err = x509.ParsePKCS1PrivateKey(block.Bytes)
		case block.Type == "EC PRIVATE KEY" && block.Headers["DEK-Info"] == "":
			private, err = x509.ParseECPrivateKey(block.Bytes)
		case strings.HasSuffix(block.Type, "PRIVATE KEY"):
			err = errors.New("the private key is encrypted: give it plain, as of openssl pkey, in a file that only you can read")
		case block.Type == "PUBLIC KEY":
			err = errors.New("it holds a public key, and a private one signs")
		default:
			continue // such as the parameters of a curve
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		k, err := signingKey(private)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		return k, nil
	}
	return nil, fmt.Errorf("%s: there is no private key in PEM in it", file)
}

func signingKey(private any) (*SigningKey, error) {
	signer, ok := private.(crypto.Signer)
	if !ok {
		return nil, errors.New("a key of this kind does not sign; RSA, P-256 and Ed25519 do")
	}
	alg, err := algorithmOf(signer.Public())
	if err != nil {
		return nil, err
	}
	return &SigningKey{alg: alg, material: private}, nil
}

// NewKey makes a key for algorithm. What signs is private, which nobody else
// may see; what a server is configured with is public. Both are in PEM, but for
// HS256, where private is the secret and there is no public.
func NewKey(algorithm string) (private, public []byte, err error) {
	var signer crypto.Signer
	switch algorithm {
	case "HS256":
		secret := make([]byte, minSecret)
		_, _ = rand.Read(secret) // it never fails
		return []byte(base64.RawURLEncoding.EncodeToString(secret) + "\n"), nil, nil
	case "RS256":
		signer, err = rsa.GenerateKey(rand.Reader, 3072)
	case "ES256":
		signer, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "EdDSA":
		_, signer, err = ed25519.GenerateKey(rand.Reader)
	default:
		err = fmt.Errorf("algorithm %q is not known; %s are", algorithm, algorithms)
	}
	if err != nil {
		return nil, nil, err
	}
	if private, err = x509.MarshalPKCS8PrivateKey(signer); err != nil {
		return nil, nil, err
	}
	if public, err = x509.MarshalPKIXPublicKey(signer.Public()); err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
		pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}), nil
}

// Sign returns the token that says c. The error says what no server would take
// of it.
func (k *SigningKey) Sign(c Claims) (string, error) {
	claims, err := c.append(nil)
	if err != nil {
		return "", fmt.Errorf("the data is not JSON: %w", err)
	}
	if _, err := parseClaims(claims); err != nil {
		return "", err
	}
	header, err := json.Marshal(struct {
		Algorithm string `json:"alg"`
		Type      string `json:"typ"`
		ID        string `json:"kid,omitempty"`
	}{k.alg, "JWT", k.ID})
	if err != nil {
		return "", err
	}
	signed := base64.RawURLEncoding.EncodeToString(header) + "." + base64.RawURLEncoding.EncodeToString(claims)
	signature, err := methods[k.alg].Sign(signed, k.material)
	if err != nil {
		return "", err
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

// A Token is what one says, of which nothing was checked.
type Token struct {
	Algorithm string
	KeyID     string
	Claims    Claims
}

// Inspect returns what token says. It checks no signature, so anybody may have
// made it, and no time: see [Authenticator.Renew].
func Inspect(token string) (*Token, error) {
	t, err := parse(token)
	if err != nil {
		return nil, err
	}
	c, err := parseClaims(t.claims)
	if err != nil {
		return nil, err
	}
	return &Token{Algorithm: t.alg, KeyID: t.kid, Claims: *c}, nil
}
