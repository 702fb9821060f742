// Package auth says who sends a request and what that allows, by a token: a
// JSON Web Token (RFC 7519), signed with HS256, RS256, ES256 or EdDSA.
//
//	{"sub":"alice","exp":1798761600,"pabal":{"read":["chat/*"],"publish":["chat/lobby"],"data":{"name":"Alice"}}}
//
// The lists read, publish, call and see hold names of channels in which * may
// stand; a list that is not there allows nothing. * never stands for one of
// Pabal's own channels, which begin with $. Beside what a token says, its
// holder may what anybody may.
//
// Everything here is safe for any number of goroutines.
//
// What is promised of tokens:
//   - Each key is for one algorithm. What a token says of its algorithm only
//     chooses among the keys; there is none, and no key, for "none".
//   - No key, certificate or URL in a token's header is looked at, and a header
//     with "crit" is refused.
//   - Nothing of a token is believed, or told in an error, before its signature
//     was checked.
//   - A token that is not good is refused with 401, never taken for none.
package auth
