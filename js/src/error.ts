/** An error as the server explains it (RFC 9457), or an intermediary in its stead. */
export class PabalError extends Error {
  override readonly name = 'PabalError'
  declare readonly status: number
  /** Such as `/problems/limit`. */
  declare readonly type: string
  declare readonly title: string
  declare readonly limit: string | undefined
  declare readonly max: number | undefined
  /** Of a publish with ifMatch that came too late (412): where the channel ends. */
  declare readonly cursor: string | undefined
  /** Seconds after which it may go better. */
  declare readonly retryAfter: number | undefined

  constructor(
    problem: Problem,
    /** It is not in Pabal's words: something on the way has said it. */
    readonly foreign = false,
  ) {
    super(problem.detail || problem.title || `status ${problem.status}`)
    Object.assign(this, { status: 0, type: 'about:blank', title: '' }, problem)
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
