// Package demo is what the page /demo/match needs in development mode: a
// match that somebody comments, and a crowd of viewers.
//
//	demo/match        a play an entry: see [Play]
//	demo/match/score  the score, under the key "score": see [Score]
//
// The match goes on only while somebody reads these channels, or asks
// GET /dev/match. Once nobody did for a minute it pauses, and the crowd goes.
package demo
