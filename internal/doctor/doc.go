// Package doctor measures which of Pabal's techniques pass between here and a
// server, whatever stands on the way, and says which to use.
//
//	report, err := doctor.Examine(ctx, doctor.Options{URL: "https://example.com", Watch: 35 * time.Second})
//	_, err = io.WriteString(os.Stdout, report.Text())
//
// It reads one channel by each technique at once, over HTTP/1.1 and, with TLS,
// over HTTP/2; publishes a few small messages to it, and sees when each comes by
// which; then it says nothing for a while, to see what is cut. It believes what
// it has seen alone, and does not go by names of proxies.
//
// # Concurrency
//
// [Examine] may be called from anywhere. It has at most [MaxConnections] to the
// server, and when it has returned nothing of it runs any more.
package doctor
