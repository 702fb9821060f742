import type { Channel } from 'pabal'
import { untilKnown } from './again.ts'
import type { Message } from './message.ts'

/**
 * What came while this window was cut off: of what it hears once it is connected again, all up to where the log ended
 * then. What it has sent itself does not count.
 */
export class Meanwhile {
  /** How many came; undefined while it is not known. */
  count: number | undefined
  private readonly counts = new Map<string, number>()
  private others = 0
  private end: string | undefined

  constructor(
    /** The place up to which the window had read. */
    private readonly from: string,
    private readonly isOwn: (message: Message) => boolean,
  ) {}

  hear(message: Message): void {
    if (this.count !== undefined) return
    if (!this.isOwn(message)) this.others++
    this.counts.set(message.cursor, this.others)
    if (message.cursor === this.end) this.count = this.others
  }

  /** Asks where the log ends now, until that is told or nobody wants to know. */
  async ask(channel: Channel, signal: AbortSignal): Promise<void> {
    const { cursor } = await untilKnown(() => channel.history({ since: 'now' }), signal)
    this.until(cursor)
  }

  /** The log ended at this cursor when the window was connected again. It may have been heard by now. */
  until(end: string): void {
    this.end = end
    this.count ??= end === this.from ? 0 : this.counts.get(end)
  }
}
