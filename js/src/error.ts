/** An error as the server explains it (RFC 9457), or an intermediary in its stead. */
export class PabalError extends Error {
  override readonly name = 'PabalError'
  readonly status: number
  /** Such as `/problems/limit`. */
  readonly type: string
  readonly title: string
  readonly limit: string | undefined
  readonly max: number | undefined
  /** Of a publish with ifMatch that came too late (412): where the channel ends. */
  readonly cursor: string | undefined
  /** Seconds after which it may go better. */
  readonly retryAfter: number | undefined
  /** It is not in Pabal's words: something on the way has said it. */
  readonly foreign: boolean

  constructor(problem: Problem, foreign = false) {
    super(problem.detail || problem.title || `status ${problem.status}`)
    this.status = problem.status ?? 0
    this.type = problem.type ?? 'about:blank'
    this.title = problem.title ?? ''
    this.limit = problem.limit
    this.max = problem.max
    this.cursor = problem.cursor
    this.retryAfter = problem.retryAfter
    this.foreign = foreign
  }

  /** It may go better later, unchanged. */
  get temporary(): boolean {
    return this.status === 429 || this.status >= 500
  }

  /** Pabal's own word that this cannot be done, however often it is tried. Else it may be some other server's that stands in for it. */
  get final(): boolean {
    return !this.foreign && (this.status === 400 || this.status === 403)
  }
}

export interface Problem {
  type?: string
  title?: string
  status?: number
  detail?: string
  limit?: string
  max?: number
  cursor?: string
  retryAfter?: number
}

/** The road cannot carry this technique, whoever is at its end: not for now, but as it is. */
export class RoadError extends Error {
  override readonly name = 'RoadError'
}

/** Nothing came for so long that the connection is taken for broken. */
export class SilentError extends Error {
  override readonly name = 'SilentError'
  constructor(ms: number) {
    super(`nothing came for ${Math.round(ms / 100) / 10} s`)
  }
}

/** The token callback failed, or the server does not take what it gave. */
export class TokenError extends Error {
  override readonly name = 'TokenError'
}

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
