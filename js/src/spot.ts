import { after, epochOf } from './cursor.ts'
import type { Entry, Notice, Place } from './types.ts'

/**
 * How far one channel has been read, by whatever road. Two roads may read at once, each in order and each from a place that was
 * reached: what one has brought already is known by its cursor.
 */
export class Spot implements Place {
  closed = false
  private readonly past = new Set<string>()
  private reset = ''

  constructor(
    readonly channel: string,
    public cursor: string | undefined,
    public since: string,
  ) {}

  /** Whether entry is new; if so, the channel is read up to it. */
  take(entry: Entry): boolean {
    return this.isAhead(entry.cursor) && this.move(entry.cursor)
  }

  /** Whether notice says something new of this place; if so, reading goes on where it says. */
  tell(notice: Notice): boolean {
    const { cursor } = notice
    switch (notice.notice) {
      case '$gap':
        return !!cursor && this.isAhead(cursor) && this.move(cursor)
      case '$reset': {
        const key = `${cursor} ${notice.reason}`
        const passed = notice.from !== this.cursor && cursor && this.cursor && after(cursor, this.cursor) === false
        if (!cursor || passed || key === this.reset) return false // another road has told it
        this.reset = key
        return this.move(cursor)
      }
      case '$closed': {
        if (notice.reason !== 'closed') return true
        const news = !this.closed
        this.closed = true
        return news
      }
      default:
        return true
    }
  }

  /** An answer says that all up to cursor is read. */
  reach(cursor: string): void {
    if (this.isAhead(cursor)) this.move(cursor)
  }

  private isAhead(cursor: string): boolean {
    if (this.cursor === undefined) return true
    return after(cursor, this.cursor) ?? !this.past.has(epochOf(cursor))
  }

  private move(cursor: string): true {
    const epoch = epochOf(cursor)
    if (this.cursor !== undefined && epochOf(this.cursor) !== epoch) this.past.add(epochOf(this.cursor))
    this.past.delete(epoch)
    this.cursor = cursor
    return true
  }
}
