import type { Pabal } from './client.ts'
import { Presences } from './presence.ts'
import type { Subscription } from './subscription.ts'
import { deferred } from './time.ts'
import type { Entry } from './types.ts'

/** What a client asks in the name of its connection: to be present, to be answered. */
export class Inquiries {
  private readonly presences = new Map<string, Presences>()
  private readonly calls = new Map<string, (entry: Entry) => void>()
  private answers: Subscription | undefined
  private answered: string | undefined

  constructor(private readonly client: Pabal) {}

  presence(channel: string): Presences {
    let presence = this.presences.get(channel)
    if (!presence) this.presences.set(channel, (presence = new Presences(this.client, this, channel)))
    return presence
  }

  /** Has what comes to the inbox under key taken, until the function that it returns is called. */
  inbox(key: string, take: (entry: Entry) => void): () => void {
    void this.name()
    this.calls.set(key, take)
    const since = { since: 'all', cursor: this.answered }
    this.answers ??= this.client.subscribe(`$conn/${this.client.connection}`, (entry) => this.calls.get(entry.key ?? '')?.(entry), since)
    return () => {
      this.calls.delete(key)
      if (this.calls.size || !this.answers) return
      this.answered = this.answers.cursor
      this.answers.stop()
      this.answers = undefined
    }
  }

  /** From now on the client reads in the name of its connection. Resolves once it does, or if there is nothing that it reads. */
  async name(): Promise<void> {
    const { client } = this
    const { reader } = client
    if (!client.named) reader.reopenSoon()
    client.named = true
    const isUnnamed = () => reader.running && reader.current?.target.connection !== reader.connection
    while (isUnnamed() && !client.closed) {
      const next = deferred<void>()
      const forget = client.onRoad(next.resolve)
      await next.promise
      forget()
    }
  }
}
