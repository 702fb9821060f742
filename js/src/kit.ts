// What a client needs only now and then, in one piece: it is loaded when something of it is used, and at the latest once the client reads, so
// that it is there when the network is not.

export { call } from './call.ts'
export { catchUp } from './catchup.ts'
export { Entries } from './entries.ts'
export { judge } from './faults.ts'
export { history } from './history.ts'
export { hop } from './hop.ts'
export { subscribe, unsubscribe } from './inplace.ts'
export { Inquiries } from './inquiries.ts'
export { probe } from './probe.ts'
export { publish } from './publish.ts'
export { refuse } from './refused.ts'
export { renewSoon } from './renew.ts'
export { start } from './start.ts'
export { Upstream } from './upstream.ts'
