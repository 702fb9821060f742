package auth

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
)

// A jwk is a JSON Web Key (RFC 7517), as far as it is looked at. The private
// parts, certificates and their URLs are not.
type jwk struct {
	Kind      string `json:"kty"`
	Use       string `json:"use"`
	ID        string `json:"kid"`
	Algorithm string `json:"alg"`
	Curve     string `json:"crv"`
	N, E      string // RSA
	X, Y      string // points
	K         string // secrets
}

// parseSet returns the keys of a JSON Web Key Set that can check tokens. Others
// are left out, as the standard has it; secrets too, unless they may be there.
func parseSet(text []byte, secrets bool) ([]key, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, fmt.Errorf("not a JSON Web Key Set: %w", err)
	}
	if set.Keys == nil {
		return nil, errors.New(`not a JSON Web Key Set: it has no list "keys"`)
	}
	if len(set.Keys) > maxKeys {
		return nil, fmt.Errorf("there are %d keys in the set, %d at most", len(set.Keys), maxKeys)
	}
	var keys []key
	for i, text := range set.Keys {
		var k jwk
		if err := json.Unmarshal(text, &k); err != nil {
			return nil, fmt.Errorf("key %d of the set: %w", i+1, err)
		}
		if k.Use != "" && k.Use != "sig" || len(k.ID) > maxKeyID || k.Kind == "oct" && !secrets {
			continue
		}
		if parsed, err := k.key(); err == nil {
			keys = append(keys, parsed)
		} else if k.Kind == "oct" {
			return nil, fmt.Errorf("key %d of the set: %w", i+1, err)
		}
	}
	return keys, nil
}

// key returns what k is, bound to one algorithm.
func (k *jwk) key() (key, error) {
	var material any
	var err error
	alg := "HS256"
	switch {
	case k.Kind == "oct":
		var secret []byte
		if secret, err = decode(k.K); err == nil {
			_, err = secretKey("", secret)
		}
		material = secret
	case k.Kind == "RSA":
		material, err = k.rsa()
	case k.Kind == "EC" && k.Curve == "P-256":
		material, err = k.ecdsa()
	case k.Kind == "OKP" && k.Curve == "Ed25519":
		var x []byte
		if x, err = decode(k.X); err == nil && len(x) != ed25519.PublicKeySize {
			err = errors.New("a point of the wrong size")
		}
		material = ed25519.PublicKey(x)
	default:
		err = errors.New("a key of a kind that is not taken")
	}
	if err != nil {
		return key{}, err
	}
	if k.Kind != "oct" {
		if alg, err = algorithmOf(material); err != nil {
			return key{}, err
		}
	}
	named := k.Algorithm
	if named == "Ed25519" { // RFC 9864
		named = "EdDSA"
	}
	if named != "" && named != alg {
		return key{}, fmt.Errorf("a key for %q, which is not taken", k.Algorithm)
	}
	return key{k.ID, alg, material}, nil
}

func (k *jwk) rsa() (*rsa.PublicKey, error) {
	n, err := decode(k.N)
	if err != nil {
		return nil, err
	}
	e, err := decode(k.E)
	if err != nil {
		return nil, err
	}
	exponent := new(big.Int).SetBytes(e)
	if !exponent.IsInt64() || exponent.Int64() < 3 || exponent.Int64() > 1<<31-1 || exponent.Bit(0) == 0 {
		return nil, errors.New("an exponent that is not taken")
	}
	return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(exponent.Int64())}, nil
}

func (k *jwk) ecdsa() (*ecdsa.PublicKey, error) {
	x, err := decode(k.X)
	if err != nil {
		return nil, err
	}
	y, err := decode(k.Y)
	if err != nil {
		return nil, err
	}
	if len(x) != 32 || len(y) != 32 {
		return nil, errors.New("a point of the wrong size")
	}
	return ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append(append([]byte{4}, x...), y...))
}

func decode(text string) ([]byte, error) {
	if text == "" {
		return nil, errors.New("a part of the key is missing")
	}
	return base64.RawURLEncoding.DecodeString(text)
}
