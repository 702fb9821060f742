// Package sim plays scripts. A [Script] is a list of actions that follows from
// a seed; what plays it takes every choice from it, so that a failure can be
// played again, and [Shrink] can look for the few actions that it needs.
//
// A [Gate] is a broker through which no call and no entry passes until the
// script says so: what is real code around it, hub, tails, sessions, loop, then
// does one thing at a time, although it has goroutines. It is for a bubble of
// testing/synctest, in which time is the script's, too.
package sim
