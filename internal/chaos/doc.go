// Package chaos breaks the real thing on purpose. Its test runs the real
// server, publishes to it and reads from it by every technique through proxies
// that make trouble (package proxy), and meanwhile kills the server, stops it
// for seconds, and leaves it without descriptors. Package ledger is the judge.
//
//	go test ./internal/chaos -readers 2000 -for 5m -seed 7
package chaos
