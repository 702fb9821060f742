// Package crash is the proof by kill -9. Its test runs the real binary,
// publishes to it and reads from it by every technique, kills it at random
// moments, starts it anew on the same data, and goes on. Package ledger is the
// judge.
//
//	go test ./internal/crash -kills 5000 -seed 7
package crash
