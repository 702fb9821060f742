package auth_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/pabal/pabal/auth"
)

func block(kind string, content []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content})
}

func rsaJWK(id string, k *rsa.PublicKey) object {
	return object{"kty": "RSA", "kid": id, "n": encode(string(k.N.Bytes())), "e": encode(string(big.NewInt(int64(k.E)).Bytes())), "alg": "RS256"}
}

func set(keys ...object) []byte { return must(json.Marshal(object{"keys": keys})) }

// Keys are taken from all that they come in.
func TestKeyFiles(t *testing.T) {
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "x"}, NotAfter: time.Now().Add(-time.Hour)}
	cert := must(x509.CreateCertificate(rand.Reader, template, template, &ecKey.PublicKey, ecKey))
	hs, rs, es, ed := sign(jwt.SigningMethodHS256, secret, nil, claims(nil)), sign(jwt.SigningMethodRS256, rsaKey, nil, claims(nil)), sign(jwt.SigningMethodES256, ecKey, nil, claims(nil)), sign(jwt.SigningMethodEdDSA, edKey, nil, claims(nil))
	okp := object{"kty": "OKP", "crv": "Ed25519", "alg": "Ed25519", "x": encode(string(edKey.Public().(ed25519.PublicKey)))}
	for _, c := range []struct {
		name string
		key  auth.Key
		good []string
	}{
		{"a secret", auth.Key{Secret: secret}, []string{hs}},
		{"a secret in a file", auth.Key{Algorithm: "HS256", File: file(t, append([]byte(string(secret)), " \r\n"...))}, []string{hs}},
		{"PKIX", auth.Key{File: file(t, publicPEM(&rsaKey.PublicKey))}, []string{rs}},
		{"PKCS #1", auth.Key{Algorithm: "RS256", File: file(t, block("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&rsaKey.PublicKey)))}, []string{rs}},
		{"a certificate, of whatever date", auth.Key{File: file(t, block("CERTIFICATE", cert))}, []string{es}},
		{"several", auth.Key{File: file(t, append(publicPEM(edKey.Public()), publicPEM(&ecKey.PublicKey)...))}, []string{es, ed}},
		{"a set", auth.Key{File: file(t, set(ecJWK("e", ecKey), rsaJWK("r", &rsaKey.PublicKey), object{"kty": "oct", "k": encode(string(secret))}, object{"kty": "new"}))}, []string{hs, rs, es}},
		{"a set with an Edwards curve", auth.Key{ID: "any", Algorithm: "EdDSA", File: file(t, set(okp))}, []string{ed}},
	} {
		a := open(t, auth.Config{Keys: []auth.Key{c.key}})
		for _, token := range []string{hs, rs, es, ed} {
			_, err := a.Renew(t.Context(), token)
			want := false
			for _, good := range c.good {
				want = want || good == token
			}
			if (err == nil) != want {
				t.Errorf("%s: %.20s…: got %v, want it good: %v", c.name, token, err, want)
			}
		}
	}
}

// What cannot be a key is refused before anybody is served, and it is said why.
func TestBadKeys(t *testing.T) {
	small := must(rsa.GenerateKey(rand.Reader, 1024))
	p384 := must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	offCurve := ecJWK("x", ecKey)
	offCurve["y"] = encode(strings.Repeat("a", 32))
	for _, c := range []struct {
		name string
		key  auth.Key
		want string
	}{
		{"nothing", auth.Key{}, "give a secret, a file or the text of one"},
		{"both", auth.Key{Secret: secret, File: "x"}, "give a secret, a file or the text of one"},
		{"a short secret", auth.Key{Secret: secret[:31]}, "the secret has 31 bytes, 32 at least"},
		{"a short secret in a file", auth.Key{Algorithm: "HS256", File: file(t, append(secret[:31:31], "\n\n"...))}, "31 bytes"},
		{"a secret for RS256", auth.Key{Algorithm: "RS256", Secret: secret}, "a secret is for HS256"},
		{"an algorithm that is none", auth.Key{Algorithm: "none", Secret: secret}, `algorithm "none" is not known`},
		{"a file that is not there", auth.Key{File: "nowhere"}, "no such file"},
		{"a secret that was not said to be one", auth.Key{File: file(t, secret)}, "a secret must be said to be for HS256"},
		{"a public key as secret", auth.Key{Algorithm: "HS256", File: file(t, publicPEM(&rsaKey.PublicKey))}, "a key for RS256 in it, not for HS256"},
		{"a private key", auth.Key{File: file(t, block("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(ecKey))))}, "holds a private key"},
		{"another thing in PEM", auth.Key{File: file(t, block("EC PARAMETERS", nil))}, `holds a "EC PARAMETERS"`},
		{"half a block", auth.Key{File: file(t, publicPEM(&ecKey.PublicKey)[:90])}, "no whole block of PEM"},
		{"a broken block", auth.Key{File: file(t, block("PUBLIC KEY", []byte("x")))}, "asn1"},
		{"RSA of 1024 bits", auth.Key{File: file(t, publicPEM(&small.PublicKey))}, "of 1024 bits is not taken"},
		{"another curve", auth.Key{File: file(t, publicPEM(&p384.PublicKey))}, "on the curve P-384 is not taken"},
		{"no set", auth.Key{File: file(t, []byte(`{"kty":"oct"}`))}, `it has no list "keys"`},
		{"a set of nothing", auth.Key{File: file(t, set(object{"kty": "new"}, offCurve, rsaJWK("r", &small.PublicKey)))}, "there is no key in it for"},
		{"a set with a short secret", auth.Key{File: file(t, set(object{"kty": "oct", "k": "abc"}))}, "the secret has 2 bytes"},
		{"a set for another algorithm", auth.Key{Algorithm: "RS256", File: file(t, set(ecJWK("e", ecKey)))}, "a key for ES256 in it"},
		{"too much", auth.Key{File: file(t, make([]byte, 2<<20))}, "a file of keys has"},
	} {
		a, err := auth.New(auth.Config{Keys: []auth.Key{c.key}})
		if err == nil {
			a.Close()
			t.Errorf("%s: it is taken", c.name)
		} else if !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
	if _, err := auth.New(auth.Config{Leeway: -1}); err == nil {
		t.Error("a leeway below 0 is taken")
	}
}

// What NewKey makes, Sign signs with, and a server takes, and Inspect tells.
func TestSign(t *testing.T) {
	c := auth.Claims{User: "alice", Issuer: "us", Audience: []string{"here"}, Expires: time.Now().Add(time.Hour).Truncate(time.Second).UTC(), Rights: auth.Rights{Read: []string{"chat/*"}}}
	for _, algorithm := range []string{"HS256", "RS256", "ES256", "EdDSA"} {
		private, public, err := auth.NewKey(algorithm)
		if err != nil {
			t.Fatal(err)
		}
		name, read := file(t, private), auth.ReadPrivate
		server := auth.Key{ID: "k", File: name, Algorithm: algorithm}
		if public == nil {
			read = auth.ReadSecret
		} else {
			server.File = file(t, public)
		}
		k, err := read(name)
		if err != nil || k.Algorithm() != algorithm {
			t.Fatalf("%s: got %+v, %v", algorithm, k, err)
		}
		k.ID = "k"
		token, err := k.Sign(c)
		if err != nil {
			t.Fatal(err)
		}
		a := open(t, auth.Config{Keys: []auth.Key{server}, Issuer: "us", Audience: "here"})
		if g, err := a.Renew(t.Context(), token); err != nil || g.User != "alice" {
			t.Errorf("%s: got %+v, %v", algorithm, g, err)
		}
		seen, err := auth.Inspect(token)
		if err != nil || seen.Algorithm != algorithm || seen.KeyID != "k" || !seen.Claims.Expires.Equal(c.Expires) || seen.Claims.Rights.Read[0] != "chat/*" {
			t.Errorf("%s: it is said to be %+v, %v", algorithm, seen, err)
		}
	}
	if _, _, err := auth.NewKey("HS512"); err == nil {
		t.Error("a key for HS512 was made")
	}
	for name, bad := range map[string]auth.Claims{
		"a user with a line end": {User: "a\n"}, "a pattern": {Rights: auth.Rights{Call: []string{"**"}}}, "data": {Data: []byte("{")}, "much data": {Data: []byte(`"` + strings.Repeat("x", 5000) + `"`)},
	} {
		if token, err := must(auth.ReadSecret(file(t, secret))).Sign(bad); err == nil {
			t.Errorf("%s: got %s", name, token)
		}
	}
}

func TestBadPrivateKeys(t *testing.T) {
	p384 := must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	for _, c := range []struct {
		text []byte
		want string
	}{
		{[]byte("x"), "there is no private key in PEM"},
		{publicPEM(&ecKey.PublicKey), "it holds a public key"},
		{block("ENCRYPTED PRIVATE KEY", nil), "is encrypted"},
		{block("PRIVATE KEY", []byte("x")), "asn1"},
		{block("EC PRIVATE KEY", must(x509.MarshalECPrivateKey(p384))), "P-384 is not taken"},
	} {
		if _, err := auth.ReadPrivate(file(t, c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: got %v, want %q", c.text, err, c.want)
		}
	}
	if k, err := auth.ReadPrivate(file(t, append(block("EC PARAMETERS", nil), block("EC PRIVATE KEY", must(x509.MarshalECPrivateKey(ecKey)))...))); err != nil || k.Algorithm() != "ES256" {
		t.Errorf("after its parameters: got %+v, %v", k, err)
	}
	if k, err := auth.ReadPrivate(file(t, block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey)))); err != nil || k.Algorithm() != "RS256" {
		t.Errorf("PKCS #1: got %+v, %v", k, err)
	}
	if _, err := auth.ReadSecret(file(t, set(object{"kty": "oct", "k": encode(string(secret))}, object{"kty": "oct", "k": encode(string(secret))}))); err == nil {
		t.Error("two secrets: it is not said which signs")
	}
}
