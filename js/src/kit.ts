// What a client needs only now and then, in one piece: it is loaded when something of it is used, and at the latest once the client reads, so
// that it is there when the network is not.

export { call } from './call.ts'
export { catchUp } from './catchup.ts'
export { entries } from './entries.ts'
export { Faults } from './faults.ts'
export { history } from './history.ts'
export { hop } from './hop.ts'
export { Inquiries } from './inquiries.ts'
export { probe } from './probe.ts'
export { publish } from './publish.ts'
export { refuse } from './refused.ts'
export { renewSoon } from './renew.ts'
export { start } from './start.ts'
export { Upstream } from './upstream.ts'
