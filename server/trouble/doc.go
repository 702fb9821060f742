// Package trouble lets whoever develops with a node read it through trouble: a
// [Handler] has fault proxies by name, of package proxy, and passes requests
// through them to the node itself. A page whose base URL is
// /trouble/{id}/via has delays, cuts, buffering and silence as they happen on
// the way to a client, on the origin that it is of.
//
//	PUT    /trouble/{id}              makes or changes a proxy: {"delayMs":200,"lifeMs":3000}
//	GET    /trouble/{id}              what it does, and what it has seen
//	POST   /trouble/{id}/cut          resets its connections
//	DELETE /trouble/{id}              ends it
//	ANY    /trouble/{id}/via/{rest…}  the request /{rest…}, through it
//
// What goes through is not interpreted here: the connection is taken from
// net/http, and bytes, ends and resets pass both ways as they come.
package trouble
