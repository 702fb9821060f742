import { PabalError, type Problem } from './error.ts'

/** The error that a failed response stands for. */
export async function problemOf(response: Response): Promise<PabalError> {
  const said: unknown = await response.json().catch(() => null)
  const seconds = Number(response.headers.get('Retry-After')) || undefined
  const ours = !!said && typeof said === 'object' && 'status' in said && 'title' in said
  const problem: Problem = ours ? (said as Problem) : { title: `${response.status} ${response.statusText}`.trim() }
  return new PabalError({ ...problem, status: response.status, ...(seconds && { retryAfter: seconds }) }, !ours)
}

const refusals = /error=["']?(incremental_refused|connection_limit_reached)/

/** Whether an intermediary says that it lets nothing through piece by piece (RFC 10036), or keeps no such response open. */
export function refusedOnTheWay(response: Response): boolean {
  const { status } = response
  return (status === 501 || status === 429) && refusals.test(response.headers.get('Proxy-Status') ?? '')
}
