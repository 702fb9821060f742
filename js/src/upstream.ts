import type { Pabal } from './client.ts'
import { PabalError, type Problem } from './error.ts'
import { problemOf } from './problem.ts'
import { backoff, deferred, sleep, type Deferred } from './time.ts'
import type { Command, Reply } from './types.ts'

interface Waiting extends Deferred<Reply> {
  command: Record<string, unknown>
  /** Characters of JSON. */
  size: number
  /** When it was first given to the server; 0: not yet. */
  since: number
  signal: AbortSignal | undefined
}

/** How many commands go into one POST. */
const batch = 50
/** How long they may be together. */
const bytes = 128_000
const answerTime = 20_000
/** For how long the server knows by its ID what it has done, in milliseconds, with something to spare: ten minutes, unless it is configured otherwise. */
const once = 9 * 60_000

/**
 * Commands, in the order in which they are given (but what the server refuses for now comes later), up the WebSocket that reads or by POST beside whatever does. One of which it is not
 * known whether it was done is given again until it is known: those that Pabal has can be (spec/protocol.md, section 2).
 */
export class Upstream {
  private queue: Waiting[] = []
  private busy = false
  private failures = 0
  private most = batch
  private wake = () => {}

  constructor(private readonly client: Pabal) {}

  send(command: Record<string, unknown>, signal?: AbortSignal): Promise<Reply> {
    if (signal?.aborted) return Promise.reject(signal.reason as Error)
    if (this.client.closed) return Promise.reject(new Error(`${String(command.command)}: the client is closed`))
    const text = JSON.stringify(command) // what cannot be said is refused here, and holds up nothing
    const waiting: Waiting = { ...deferred<Reply>(), command: JSON.parse(text) as Record<string, unknown>, size: text.length, since: 0, signal }
    const abort = () => {
      this.queue = this.queue.filter((other) => other !== waiting)
      waiting.reject(signal!.reason)
    }
    signal?.addEventListener('abort', abort, { once: true })
    void waiting.promise.catch(() => {}).finally(() => signal?.removeEventListener('abort', abort))
    this.queue.push(waiting)
    void this.flush()
    return waiting.promise
  }

  /** Attempts now what it waits for. */
  hurry(): void {
    this.wake()
  }

  /** Gives up all that waits. */
  close(): void {
    for (const waiting of this.queue) waiting.reject(new Error('the client was closed before the server answered'))
    this.queue = []
    this.wake()
  }

  private async flush(): Promise<void> {
    if (this.busy) return
    this.busy = true
    try {
      await Promise.resolve() // what is given in the same turn goes together
      while (this.queue.length) {
        const offline = globalThis.navigator?.onLine === false
        const failure = offline ? new Error('there is no network') : await this.attempt()
        if (failure === undefined) this.failures = 0
        else await this.rest(failure)
      }
    } finally {
      this.busy = false
    }
  }

  private async attempt(): Promise<unknown> {
    const now = this.next()
    const link = this.client.reader.link
    const failure = await (link ? this.sendUp(link, now) : this.post(now))
    // A slow way up takes few at a time.
    this.most = failure === undefined ? batch : Math.max(1, this.most >> 1)
    return failure
  }

  /** What goes together now. What the server may have done so long ago that it would do it once more is given up. */
  private next(): Waiting[] {
    const now = Date.now()
    for (const waiting of this.queue.filter(({ since }) => since && now - since > once)) {
      this.settle(waiting, undefined)
      waiting.reject(new Error(`${String(waiting.command.command)}: it is not known whether the server has done it, and it is too late to ask again`))
    }
    let size = 0
    const together = this.queue.slice(0, this.most).filter((waiting, i) => (size += waiting.size) < bytes || i === 0)
    for (const waiting of together) waiting.since ||= now
    return together
  }

  private async sendUp(link: Command, now: Waiting[]): Promise<unknown> {
    let failure: unknown
    await Promise.all(
      now.map(async (waiting) => {
        const error = await link(waiting.command).then(
          (reply) => this.settle(waiting, reply),
          (error: unknown) => this.judge(waiting, error),
        )
        failure ??= error
      }),
    )
    return failure
  }

  private async post(now: Waiting[]): Promise<unknown> {
    try {
      let response = await this.request(now, await this.client.token())
      if (response.status === 401) response = await this.request(now, await this.client.token(true))
      const type = response.headers.get('Content-Type') ?? ''
      // A command alone is answered with the status of its error.
      const replies = (await response.clone().text()).trim().split('\n')
      const whole = type.startsWith('application/x-ndjson') || type.startsWith('application/json')
      if (!whole || replies.length !== now.length) return await this.refused(now, await problemOf(response))
      let failure: unknown
      replies.forEach((text, i) => {
        const { error, ...reply } = JSON.parse(text) as { error?: Problem }
        const failed = error ? this.judge(now[i]!, new PabalError(error)) : this.settle(now[i]!, reply as Reply)
        failure ??= failed
      })
      return failure
    } catch (error) {
      let failure: unknown
      for (const waiting of now) failure = this.judge(waiting, error) ?? failure
      return failure
    }
  }

  /** Of several commands that are refused together, one may be the reason: each is given alone. */
  private async refused(now: Waiting[], error: PabalError): Promise<unknown> {
    if (now.length === 1 || error.temporary) throw error
    for (const waiting of now) {
      const failure = await this.post([waiting])
      if (failure !== undefined) return failure
    }
    return undefined
  }

  private request(now: Waiting[], token: string | undefined): Promise<Response> {
    const lines = now.map(({ command }, id) => JSON.stringify({ id, ...command }))
    return fetch(`${this.client.url}/commands?connection=${this.client.connection}`, {
      method: 'POST',
      body: lines.join('\n'),
      headers: {
        'Content-Type': lines.length > 1 ? 'application/x-ndjson' : 'application/json',
        ...(token && { Authorization: `Bearer ${token}` }),
      },
      signal: AbortSignal.timeout(answerTime),
    })
  }

  private settle(waiting: Waiting, reply: Reply | undefined): undefined {
    this.queue = this.queue.filter((other) => other !== waiting)
    if (reply) waiting.resolve(reply)
  }

  /** What is refused is over, what failed is given again: then it returns why. */
  private judge(waiting: Waiting, error: unknown): unknown {
    if (!(error instanceof PabalError) || error.temporary || error.foreign) return error
    this.queue = this.queue.filter((other) => other !== waiting)
    waiting.reject(error)
    return undefined
  }

  private async rest(failure: unknown): Promise<void> {
    const asked = failure instanceof PabalError && failure.retryAfter ? 1000 * failure.retryAfter : 0
    const woken = new AbortController()
    this.wake = () => woken.abort()
    await sleep(Math.max(asked, backoff(this.failures++)), woken.signal)
  }
}
