import type { Pabal } from './client.ts'
import { history } from './history.ts'
import type { Inquiries } from './inquiries.ts'
import { backoff, sleep } from './time.ts'
import type { Entry } from './types.ts'

/** One connection that is present. */
export interface Member {
  /** Tells it apart, and is no secret. */
  key: string
  /** Who it is, where that is known. */
  user?: string
  /** What is shown of it. */
  data?: unknown
}

/** Who polls is present for a minute after it has said so. */
const again = 25_000

/** Being present in a channel, and seeing who is. */
export class Presences {
  private data: { value: unknown } | undefined
  private timer: ReturnType<typeof setInterval> | undefined
  private unlisten: (() => void) | undefined

  constructor(
    private readonly client: Pabal,
    private readonly inquiries: Inquiries,
    private readonly channel: string,
  ) {}

  /** Is present with data from now on, whatever happens to the connection, until leave. */
  async enter(data?: unknown): Promise<void> {
    this.data = { value: data }
    await this.inquiries.name()
    if (!this.data) return // it has left meanwhile
    // Each road has to say it anew.
    this.unlisten ??= this.client.onRoad(() => (this.client.closed ? this.end() : void this.say().catch(() => {})))
    this.timer ??= setInterval(() => this.client.reader.link || void this.say().catch(() => {}), again)
    return this.say()
  }

  async leave(): Promise<void> {
    if (!this.data) return
    this.end()
    await this.client.send({ command: 'presence', channel: this.channel, leave: true })
  }

  /** Who is here now. */
  async get(): Promise<Member[]> {
    return (await this.set()).members
  }

  /** Calls listener with who is here, at once and at each change. Returns how to end that. */
  watch(listener: (members: Member[]) => void): () => void {
    const ending = new AbortController()
    void this.follow(listener, ending.signal)
    return () => ending.abort()
  }

  private end(): void {
    this.data = undefined
    this.unlisten?.()
    this.unlisten = undefined
    clearInterval(this.timer)
    this.timer = undefined
  }

  private async say(): Promise<void> {
    if (!this.data) return
    const { value } = this.data
    await this.client.send({ command: 'presence', channel: this.channel, ...(value !== undefined && { data: value }) })
  }

  private async follow(listener: (members: Member[]) => void, signal: AbortSignal): Promise<void> {
    for (let failures = 0; !signal.aborted && !this.client.closed; ) {
      try {
        const { members, cursor } = await this.set()
        if (signal.aborted) return
        const known = new Map(members.map((member) => [member.key, member]))
        const tell = () => listener([...known.values()])
        tell()
        failures = 0
        await this.changes(cursor, known, tell, signal)
      } catch {
        await sleep(backoff(failures++), signal) // it may be forbidden for now, as who is here changes
      }
    }
  }

  /** Follows what changes, until something of it is missing. */
  private async changes(cursor: string, known: Map<string, Member>, tell: () => void, signal: AbortSignal): Promise<void> {
    let soon = false
    let failure: unknown
    const subscription = this.client.channel(this.log).subscribe(
      (entry) => {
        apply(known, entry)
        if (soon) return
        soon = true
        queueMicrotask(() => {
          soon = false
          if (!signal.aborted) tell()
        })
      },
      {
        cursor,
        signal,
        notice: ({ notice }) => (notice === '$gap' || notice === '$reset') && subscription.stop(),
        error: (error) => (failure = error),
      },
    )
    await subscription.ended
    if (failure !== undefined) throw failure
  }

  private async set(): Promise<{ members: Member[]; cursor: string }> {
    const known = new Map<string, Member>()
    let page = await history(this.client, this.log, { since: 'all', only: 'latest' })
    for (;;) {
      for (const entry of page.entries) apply(known, entry)
      if (!page.more) return { members: [...known.values()], cursor: page.cursor }
      page = await history(this.client, this.log, { cursor: page.cursor, only: 'latest' })
    }
  }

  private get log(): string {
    return `$presence/${this.channel}`
  }
}

function apply(known: Map<string, Member>, { type, key, data }: Entry): void {
  if (key === undefined) return
  if (type === 'leave') known.delete(key)
  if (type !== 'join' && type !== 'change') return
  const { user, data: shown } = data as { user?: string; data?: unknown }
  known.set(key, { key, ...(user && { user }), ...(shown !== undefined && { data: shown }) })
}
