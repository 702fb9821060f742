package server

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// certificateCheck is how often the files of a certificate are looked at.
const certificateCheck = time.Second

// A certificate is read from its files, and again when they have changed. What
// cannot be used then is logged, and the one before it stays.
type certificate struct {
	certFile, keyFile string
	log               *slog.Logger

	mu      sync.Mutex
	current *tls.Certificate
	version [2]fileVersion // of the files when they were read last
	checked time.Time
}

// fileVersion tells one content of a file from another.
type fileVersion struct {
	modified time.Time
	size     int64
}

// newCertificate reads the certificate from its files.
func newCertificate(certFile, keyFile string, log *slog.Logger) (*certificate, error) {
	c := &certificate{certFile: certFile, keyFile: keyFile, log: log}
	c.version = c.versions()
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, fmt.Errorf("the TLS certificate cannot be used: %w", err)
	}
	c.current, c.checked = &pair, time.Now()
	return c, nil
}

// config returns how a server uses c.
func (c *certificate) config() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.get(), nil },
	}
}

// get returns the certificate, read anew if its files have changed.
func (c *certificate) get() *tls.Certificate {
	c.mu.Lock()
	current, due := c.current, time.Since(c.checked) >= certificateCheck
	if due {
		c.checked = time.Now()
	}
	c.mu.Unlock()
	if due && c.versions() != c.known() {
		c.reload()
		return c.latest()
	}
	return current
}

// reload reads the files whether or not they have changed.
func (c *certificate) reload() {
	version := c.versions()
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	c.mu.Lock()
	c.version = version
	if err == nil {
		c.current = &pair
	}
	c.mu.Unlock()
	if err != nil {
		c.log.Error("the new TLS certificate cannot be used; the old one stays", "error", err)
		return
	}
	c.log.Info("the TLS certificate was read anew", "file", c.certFile)
}

func (c *certificate) latest() *tls.Certificate {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.current
}

func (c *certificate) known() [2]fileVersion {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.version
}

func (c *certificate) versions() (v [2]fileVersion) {
	for i, name := range []string{c.certFile, c.keyFile} {
		if info, err := os.Stat(name); err == nil {
			v[i] = fileVersion{info.ModTime(), info.Size()}
		}
	}
	return v
}
