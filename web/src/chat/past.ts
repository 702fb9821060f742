import type { Channel } from 'pabal'
import type { Said } from './message.ts'
import type { Talk } from './talk.ts'

const page = 50

/** What was said before the first message that is shown: it is loaded as somebody scrolls there. */
export class Past {
  loading = false
  /** Why it could not be had. */
  error = ''

  constructor(
    private readonly talk: Talk,
    private readonly changed: () => void,
  ) {}

  async load(channel: Channel<Said>): Promise<void> {
    const before = this.talk.begin
    if (this.loading || before === undefined || this.talk.hasOlder === false) return
    this.loading = true
    this.error = ''
    this.changed()
    try {
      // The cursor of a message lies after it: the first time the page ends with one that is known.
      const limit = this.talk.hasOlder === undefined ? page + 1 : page
      const past = await channel.history({ before, limit })
      this.talk.older(past.entries, past.before, past.more)
    } catch (error) {
      this.error = (error as Error).message
    }
    this.loading = false
    this.changed()
  }
}
