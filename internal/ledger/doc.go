// Package ledger is the judge of what a server promises. A [Ledger] is told
// what publishers tried and what was acknowledged, what each reader got, and
// what the logs hold after each restart, and says what of it breaks a promise.
// It knows no HTTP, no process and no clock, so it is tested by telling it
// made-up stories.
package ledger
