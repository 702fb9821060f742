package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/api"
	"github.com/pabal/pabal/broker/memory"
	"github.com/pabal/pabal/internal/readers"
	"github.com/pabal/pabal/transport"
)

// A node is a server in this process, on the loopback.
type node struct {
	server *readers.Server
	hub    *pabal.Hub
	broker *memory.Broker
	http   *http.Server
}

// startNode starts a node that keeps everything.
func startNode() (*node, error) {
	n := &node{broker: memory.New(memory.Config{
		Bytes:     1 << 40,
		Retention: func(pabal.Channel) pabal.Retention { return pabal.Retention{Entries: -1, Bytes: -1, Age: -1} },
	})}
	n.hub = pabal.NewHub(n.broker, pabal.Limits{})
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	reads := &transport.Handler{Hub: n.hub, Log: quiet, ParkAfter: 20 * time.Millisecond}
	writes := &api.Handler{Hub: n.hub, Log: quiet}
	n.http = &http.Server{
		Protocols: new(http.Protocols), ConnContext: transport.ConnContext, ErrorLog: log.New(io.Discard, "", 0), ReadHeaderTimeout: time.Minute,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet {
				reads.ServeHTTP(w, r)
			} else {
				writes.ServeHTTP(w, r)
			}
		}),
	}
	n.http.Protocols.SetHTTP1(true)
	n.http.Protocols.SetHTTP2(true)
	n.http.Protocols.SetUnencryptedHTTP2(true)
	return n, n.listen()
}

func (n *node) listen() error {
	certificate, root, err := newCertificate()
	if err != nil {
		return err
	}
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	secure, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	n.http.TLSConfig = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS13}
	go func() { _ = n.http.Serve(transport.NewListener(plain)) }()
	go func() { _ = n.http.ServeTLS(secure, "", "") }()
	n.server = &readers.Server{Plain: "http://" + plain.Addr().String(), TLS: "https://" + secure.Addr().String(), Roots: x509.NewCertPool()}
	n.server.Roots.AddCert(root)
	return nil
}

func (n *node) stop() {
	_ = n.http.Close()
	n.hub.Close()
	_ = n.broker.Close()
}

// newCertificate returns a certificate for the loopback, for an hour.
func newCertificate() (tls.Certificate, *x509.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	root, err := x509.ParseCertificate(der)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, root, err
}
