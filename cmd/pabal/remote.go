package main

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/pabal/pabal/client"
)

const defaultServer = "http://127.0.0.1:8080"

// remote is the server that pub and sub speak to.
type remote struct {
	Server         string        `help:"Address of the server." default:"http://127.0.0.1:8080" env:"PABAL_SERVER"`
	CAFile         string        `name:"ca-file" placeholder:"FILE" env:"PABAL_CA_FILE" help:"Certificates in PEM to trust beside the system's, for a server that signed its own."`
	Token          string        `placeholder:"TOKEN" env:"PABAL_TOKEN" help:"Token by which the server knows you, as pabal token makes them. Better in the environment: others on this machine may see flags."`
	ConnectTimeout time.Duration `help:"Give up when the server was not reached once in this time; 0 never gives up. A connection that breaks later is always made again." default:"5s"`

	told time.Time // when it was last said what keeps the client waiting
}

// client returns a client of the server that tells on stderr, at most once a
// minute, what keeps it waiting. An error is one of usage.
func (r *remote) client(stderr io.Writer) (*client.Client, error) {
	server, err := parseServer(r.Server)
	if err != nil {
		return nil, exitError{exitUsage, err}
	}
	r.Server = server
	c := &client.Client{URL: server, Retrying: func(err error, _ time.Duration) {
		if now := time.Now(); now.Sub(r.told) > time.Minute {
			r.told = now
			_, _ = fmt.Fprintf(stderr, "pabal: %s; trying again\n", plain(err))
		}
	}}
	if r.Token != "" {
		if strings.ContainsFunc(r.Token, func(c rune) bool { return c <= ' ' || c > '~' }) {
			return nil, exitError{exitUsage, errors.New("--token: it has characters that no token has; give it in one piece, as pabal token prints it")}
		}
		c.Header = http.Header{"Authorization": {"Bearer " + r.Token}}
	}
	if r.CAFile == "" {
		return c, nil
	}
	trusted, err := readCA(r.CAFile)
	if err != nil {
		return nil, exitError{exitUsage, fmt.Errorf("--ca-file: %w", err)}
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS12}
	c.HTTP = &http.Client{Transport: transport}
	return c, nil
}

// parseServer returns the URL that text means; one without a scheme is of http.
func parseServer(text string) (string, error) {
	server := cmp.Or(text, defaultServer)
	if !strings.Contains(server, "://") {
		server = "http://" + server
	}
	u, err := url.Parse(server)
	wrong := err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.RawQuery != "" || u.Fragment != ""
	if !wrong && u.Port() != "" {
		_, err = strconv.ParseUint(u.Port(), 10, 16)
		wrong = err != nil
	}
	if wrong {
		return "", fmt.Errorf("--server: %q is not the address of a server; write it as https://example.com or 127.0.0.1:8080", text)
	}
	return server, nil
}

// readCA returns the certificates that the system trusts, and those of a file.
func readCA(name string) (*x509.CertPool, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	trusted, err := x509.SystemCertPool()
	if err != nil {
		trusted = x509.NewCertPool() // a machine without certificates trusts only those of the file
	}
	if !trusted.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s has no certificate in PEM", name)
	}
	return trusted, nil
}

// explain returns err, with which the work with the server ended, in plain
// words. What is not done is said where the server was not reached.
func (r *remote) explain(err error, undone string) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, client.ErrNotReached):
		text := fmt.Sprintf("%s was not reached in %v", r.Server, r.ConnectTimeout)
		if reason := plain(err); r.told.IsZero() && reason != err.Error() { // else it was said
			text += ": " + reason
		}
		if errors.Is(err, client.ErrOutcomeUnknown) {
			undone = "it did not answer, so the outcome is unknown"
		}
		if undone != "" {
			text += "; " + undone
		}
		return errors.New(text)
	}
	if text := plain(err); text != err.Error() {
		return worded{text, err}
	}
	return err
}

// worded is an error in other words.
type worded struct {
	text string
	err  error
}

func (w worded) Error() string { return w.text }
func (w worded) Unwrap() error { return w.err }

// plain says err in words that need no knowledge of the libraries below.
func plain(err error) string {
	var (
		refused   *client.Error
		untrusted *tls.CertificateVerificationError
		unsigned  x509.UnknownAuthorityError
		name      *net.DNSError
		op        *net.OpError
	)
	dialed := errors.As(err, &op) && op.Op == "dial" && op.Addr != nil
	switch {
	case errors.As(err, &refused):
	case errors.As(err, &unsigned):
		return "the server's certificate is signed by nobody known here; if it is the right server, name the certificate to trust with --ca-file"
	case errors.As(err, &untrusted):
		return fmt.Sprintf("the server's certificate is not trusted, and --ca-file would not help: %v", untrusted.Err)
	case errors.As(err, &name) && name.IsNotFound:
		return fmt.Sprintf("there is no host %s", name.Name)
	case errors.As(err, &name):
		return fmt.Sprintf("the address of %s cannot be looked up now", name.Name)
	case dialed && errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Sprintf("nothing listens on %v", op.Addr)
	case dialed && op.Timeout():
		return fmt.Sprintf("%v does not answer", op.Addr)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "the connection broke off"
	}
	return err.Error()
}
