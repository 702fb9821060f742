import type { PabalError } from '../../../js/src/error.ts'
import { problemOf } from '../../../js/src/problem.ts'
import { sleep } from '../../../js/src/time.ts'
import { pathOf } from '../../../js/src/wire.ts'
import { clock, write } from './stamp.ts'
import type { Post } from './trace.ts'

export interface Pace {
  /** Entries a second, and the bytes of data in each. */
  rate: number
  payload: number
}

const kept = 400

/**
 * Publishes numbered entries at a pace. It has one request open at a time, so that the log has them in the order of their
 * numbers, and what reads finds a connection too: what is due meanwhile goes together in the next one. Each entry has an ID
 * and is repeated under it until it is known to be kept.
 */
export class Publisher {
  /** The latest ones, in order. */
  posts: Post[] = []
  /** How many are known to be kept; they are numbered from 1. */
  kept = 0
  seq = 0
  /** Why nothing can be published. */
  refused: PabalError | undefined
  /** Why the last attempt did not reach the server, or was put off by it. */
  error: Error | undefined
  /** The numbers of those that were given up when it was stopped, or refused: they may be in the log or not. */
  readonly unknown = new Set<number>()
  private open: Promise<void> | undefined
  private due = 0
  private running: AbortController | undefined

  constructor(
    readonly channel: string,
    readonly pace: Readonly<Pace>,
  ) {}

  start(): void {
    if (this.running) return
    this.refused = undefined
    this.running = new AbortController()
    this.due = 0
    void this.run(this.running.signal)
  }

  /** Stops, and resolves once it is known of every entry whether it was kept, or after patience milliseconds. */
  async stop(patience = 3000): Promise<void> {
    this.running?.abort()
    this.running = undefined
    await Promise.race([this.open, sleep(patience)])
  }

  private async run(signal: AbortSignal): Promise<void> {
    let next = performance.now()
    for (; !signal.aborted; next += 1000 / this.pace.rate) {
      // A page that was held up does not make up for it.
      next = Math.max(next, performance.now() - 500)
      await sleep(next - performance.now(), signal)
      if (signal.aborted || this.refused) return
      this.due++
      this.send(signal)
    }
  }

  private send(signal: AbortSignal): void {
    if (this.due === 0 || this.open || signal.aborted) return
    const posts = Array.from({ length: this.due }, (): Post => ({ seq: ++this.seq, sent: performance.now() }))
    this.due = 0
    this.posts.push(...posts)
    this.posts.splice(0, this.posts.length - kept)
    this.open = this.post(posts, signal).then(() => {
      this.open = undefined
      this.send(signal)
    })
  }

  private async post(posts: Post[], signal: AbortSignal): Promise<void> {
    const lines = posts.map(({ seq }) => ({ id: String(seq), data: write({ seq, sent: clock() }, this.pace.payload) }))
    const [only] = lines
    const batch = lines.length > 1
    const url = `/channels/${pathOf(this.channel)}${batch ? '' : `?id=${only!.id}`}`
    const body = batch ? lines.map((line) => JSON.stringify(line) + '\n').join('') : only!.data
    const headers = { 'Content-Type': batch ? 'application/x-ndjson' : 'text/plain; charset=utf-8' }
    for (let attempt = 0; attempt === 0 || !signal.aborted; attempt++) {
      if (attempt) await sleep(Math.min(5000, 250 * 2 ** attempt), signal)
      try {
        const response = await fetch(url, { method: 'POST', body, headers })
        if (response.ok) return this.done(posts)
        const problem = await problemOf(response)
        this.error = problem
        if (problem.temporary) continue
        this.refused = problem
        break
      } catch (error) {
        this.error = error as Error
      }
    }
    for (const { seq } of posts) this.unknown.add(seq)
    this.posts = this.posts.filter((post) => !posts.includes(post))
  }

  private done(posts: Post[]): void {
    const now = performance.now()
    for (const post of posts) {
      post.answered = now
      post.served = (post.sent + now) / 2
    }
    this.kept += posts.length
    this.error = undefined
  }
}
