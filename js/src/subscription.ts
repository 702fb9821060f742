import { tell } from './load.ts'
import { Spot } from './spot.ts'
import type { Entry, Notice, Place } from './types.ts'

export interface SubscribeOptions {
  /** Where to begin: `now` (the default), `all`, the number of entries to have of the past, a duration back (`10m`), a time. */
  since?: string
  /** Where to begin: just after this place. It goes before since. */
  cursor?: string | undefined
  /** Of each key only the last entry that waits. */
  only?: 'latest'
  /** At least this long between entries: `500ms`. What comes meanwhile comes then. */
  every?: string
  /** Hears what the server says of the log: `$gap`, `$reset`, `$skipped`, `$closed`, `$live`. */
  notice?: (notice: Notice) => void
  /** Hears that the channel cannot be read. Without it, that is thrown where nobody catches it. */
  error?: (error: unknown) => void
  /** @internal Hears where reading begins. */
  begun?: (cursor: string) => void
  /** Ends it. */
  signal?: AbortSignal
}

/**
 * One listener of a channel. Several on one channel share what is read; one that begins elsewhere than where reading stands has
 * what lies between fetched, and joins then.
 */
export class Subscription {
  /** Resolves when nothing follows: it was stopped, the channel is closed or cannot be read. */
  readonly ended: Promise<void>
  /** @internal */
  readonly spot: Spot
  /** @internal What it hears while it catches up. */
  waiting: (Entry | Notice)[] | undefined
  over = false
  private end = () => {}

  readonly stop = (): void => {
    if (this.over) return
    this.over = true
    this.options.signal?.removeEventListener('abort', this.stop)
    this.left(this)
    this.end()
  }

  constructor(
    readonly channel: string,
    private readonly listener: (entry: Entry) => void,
    readonly options: SubscribeOptions,
    private readonly left: (subscription: Subscription) => void,
  ) {
    this.spot = new Spot(channel, options.cursor, options.since ?? 'now')
    this.ended = new Promise((resolve) => (this.end = resolve))
    options.signal?.addEventListener('abort', this.stop)
    if (options.signal?.aborted) this.stop()
  }

  /** The place up to which the listener has heard: where another subscription goes on. */
  get cursor(): string | undefined {
    return this.spot.cursor
  }

  get place(): Place & { only?: 'latest' | undefined } {
    const { channel, cursor, since } = this.spot
    return { channel, cursor, since, only: this.options.only }
  }

  /** Reading begins at cursor. */
  begin(cursor: string | undefined): void {
    if (this.waiting || cursor === undefined || this.spot.cursor !== undefined) return
    this.spot.cursor = cursor
    this.options.begun?.(cursor)
  }

  hear(entry: Entry): void {
    if (this.over) return
    if (this.waiting) this.waiting.push(entry)
    else if (this.spot.take(entry)) tell(this.listener, entry)
  }

  told(notice: Notice): void {
    if (this.over) return
    if (this.waiting) return void this.waiting.push(notice)
    if (this.spot.tell(notice)) tell(this.options.notice, notice)
    if (notice.notice === '$closed' && notice.reason === 'closed') this.stop()
  }

  refused(error: unknown): void {
    if (this.over) return
    this.stop()
    // What nobody listens for is not swallowed.
    tell(this.options.error ?? ((error): never => { throw error }), error)
  }
}
