// The words of the protocol, as every technique carries them.

/** A message in its place in a channel's log. Native EventSource brings neither time nor type. */
export interface Entry {
  channel: string
  cursor: string
  data: unknown
  time?: string
  type?: string
  id?: string
  key?: string
  contentType?: string
  encoding?: 'base64'
}

/** What the server says about the log itself, in-band. */
export interface Notice {
  notice: string
  channel?: string
  cursor?: string
  heartbeat?: number
  from?: string
  to?: string
  reason?: string
  count?: number
}

/** An error as the server explains it (RFC 9457). */
export interface Problem {
  title: string
  status?: number
  detail?: string
}

/** The answer of poll, longpoll and jsonp. */
export interface Answer {
  entries: Entry[]
  notices: Notice[]
  cursor: string
  more?: boolean
}

export class ProblemError extends Error {
  readonly status: number
  constructor(problem: Problem) {
    super(problem.detail || problem.title)
    this.status = problem.status ?? 0
  }
}

export const isNotice = (value: object): value is Notice => 'notice' in value

/** A problem object has a title, which neither an entry nor a notice nor an answer has. */
export const isProblem = (value: object): value is Problem => 'title' in value && !('cursor' in value)

/** The error that a failed response stands for, read from its body if that says anything. */
export async function problemOf(response: Response): Promise<ProblemError> {
  const said: unknown = await response.json().catch(() => null)
  if (said && typeof said === 'object' && isProblem(said)) return new ProblemError(said)
  return new ProblemError({ title: `${response.status} ${response.statusText}`, status: response.status })
}

/** The URL that reads a channel; slashes and $ are part of a channel's name and stay as they are. */
export function channelURL(channel: string, query: Record<string, string | undefined> = {}): string {
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) if (value !== undefined) search.set(name, value)
  const path = channel.split('/').map((part) => encodeURIComponent(part).replaceAll('%24', '$').replaceAll('%3A', ':'))
  const q = search.toString()
  return `/channels/${path.join('/')}${q ? `?${q}` : ''}`
}
