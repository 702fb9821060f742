// Package crash is the proof by kill -9. Its test runs the real binary,
// publishes to it and reads from it by every technique, kills it at random
// moments, starts it anew on the same data, and goes on.
//
// A [Ledger] is the judge. It is told what publishers tried and what was
// acknowledged, what each reader got, and what the logs hold after each
// restart, and says what of it breaks a promise. It knows no HTTP, no process
// and no clock, so it is tested by telling it made-up stories.
//
//	go test ./internal/crash -kills 5000 -seed 7
package crash
