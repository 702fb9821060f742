// Package football makes up a football match of two teams that do not exist:
// what happens, when, and what a commentator says of it in English and Korean.
//
//	for _, play := range football.Simulate(seed) {
//		// at play.At since the match began, play.Text is said
//	}
//
// A match is made from a seed, whole, before its first play is said: the same
// seed gives the same match on every machine.
package football
