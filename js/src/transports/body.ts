import { RoadError, SilentError } from '../error.ts'
import { problemOf, refusedOnTheWay } from '../problem.ts'
import type { Batch, Target } from '../types.ts'
import { byteLength, patienceOf, readURL } from '../wire.ts'

/** The headers of each request: the token, if there is one. */
export const headersOf = (to: Target): Record<string, string> => (to.token ? { Authorization: `Bearer ${to.token}` } : {})

/** Asks for a response that goes on, and yields what parse makes of its text. Silence is a failure. */
export async function* follow(
  to: Target,
  via: string,
  contentType: string,
  parse: (text: string) => Iterable<Batch>,
  signal: AbortSignal,
): AsyncGenerator<Batch> {
  const watch = new Watch(to.patience, signal)
  try {
    to.meter?.asked()
    const response = await fetch(readURL(to, via, via === 'sse' ? { format: 'message' } : {}), {
      signal: watch.signal,
      headers: headersOf(to),
      cache: 'no-store',
    })
    to.meter?.answered()
    await check(response, contentType)
    if (response.status === 204 || !response.body) {
      // Server-sent events of channels that are closed and read: an EventSource would stop at that.
      const notices = to.places.map(({ channel }) => ({ notice: '$closed', channel, reason: 'closed' }))
      return void (yield { entries: [], notices })
    }
    const reader = response.body.pipeThrough(new TextDecoderStream() as unknown as ReadableWritablePair<string, Uint8Array>).getReader()
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      watch.feed()
      if (to.meter) to.meter.took(byteLength(value))
      for (const batch of parse(value)) {
        watch.limit = patienceOf(batch) ?? watch.limit
        watch.stop() // time that the reader of the batch takes is not the server's
        yield batch
        if (signal.aborted) return
        watch.feed()
      }
    }
  } catch (error) {
    if (signal.aborted) return
    throw watch.signal.aborted ? watch.signal.reason : error
  } finally {
    watch.end()
  }
}

/** Throws what a response says that is not what was asked for. */
export async function check(response: Response, contentType: string): Promise<void> {
  if (refusedOnTheWay(response)) throw new RoadError(`something on the way refuses: ${response.headers.get('Proxy-Status')}`)
  if (!response.ok) throw await problemOf(response)
  const type = response.headers.get('Content-Type') ?? ''
  if (response.status === 200 && !type.startsWith(contentType)) {
    throw new RoadError(`${type || 'an answer without a type'} came instead of ${contentType}`)
  }
}

/** Aborts when it is not fed for its limit, in milliseconds, and when the signal that it is given does. */
export class Watch {
  private readonly controller = new AbortController()
  private timer: ReturnType<typeof setTimeout> | undefined
  private readonly pass = () => this.end()

  constructor(
    public limit: number,
    private readonly outer?: AbortSignal,
  ) {
    outer?.addEventListener('abort', this.pass)
    if (outer?.aborted) this.end()
    else this.feed()
  }

  get signal(): AbortSignal {
    return this.controller.signal
  }

  feed(): void {
    clearTimeout(this.timer)
    this.timer = setTimeout(() => this.controller.abort(new SilentError(this.limit)), this.limit)
  }

  stop(): void {
    clearTimeout(this.timer)
  }

  /** Lets go of the request that it watches. */
  end(): void {
    this.stop()
    this.outer?.removeEventListener('abort', this.pass)
    this.controller.abort()
  }
}
