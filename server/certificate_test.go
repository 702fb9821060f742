package server

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// pair is a certificate for 127.0.0.1 in two files.
type pair struct{ certFile, keyFile string }

func newPair(t *testing.T, name string) pair {
	t.Helper()
	dir := t.TempDir()
	p := pair{filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")}
	p.write(t, name)
	return p
}

// write makes a new certificate in p's files and returns it.
func (p pair) write(t *testing.T, name string) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotAfter: time.Now().Add(time.Hour), BasicConstraintsValid: true, IsCA: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, p.certFile, "CERTIFICATE", der)
	writePEM(t, p.keyFile, "PRIVATE KEY", private)
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return certificate
}

func writePEM(t *testing.T, file, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// touch sets when the file was changed, which may be too coarse to tell two
// writes of a test apart.
func touch(t *testing.T, file string, at time.Time) {
	t.Helper()
	if err := os.Chtimes(file, at, at); err != nil {
		t.Fatal(err)
	}
}

func nameOf(t *testing.T, c *certificate) string {
	t.Helper()
	leaf, err := x509.ParseCertificate(c.get().Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	return leaf.Subject.CommonName
}

func TestCertificate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		files := newPair(t, "first")
		var log bytes.Buffer
		c, err := newCertificate(files.certFile, files.keyFile, slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		want := func(when, name string) {
			t.Helper()
			if got := nameOf(t, c); got != name {
				t.Errorf("%s: got the certificate %q, want %q", when, got, name)
			}
		}
		want("at first", "first")

		files.write(t, "second")
		touch(t, files.certFile, time.Now())
		want("at once after a change", "first")
		time.Sleep(certificateCheck)
		want("a second after a change", "second")

		if err := os.WriteFile(files.certFile, []byte("half of it"), 0o600); err != nil {
			t.Fatal(err)
		}
		time.Sleep(certificateCheck)
		want("after a broken change", "second")
		time.Sleep(certificateCheck)
		want("still", "second")
		if n := strings.Count(log.String(), "the old one stays"); n != 1 {
			t.Errorf("the broken change was logged %d times, want once:\n%s", n, &log)
		}

		files.write(t, "third")
		c.reload()
		want("told to reload", "third")
	})
}

func TestCertificateMissing(t *testing.T) {
	_, err := newCertificate("no/cert.pem", "no/key.pem", slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "no/cert.pem") {
		t.Errorf("got %v, want an error that names the file", err)
	}
}
