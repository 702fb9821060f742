import type { Entry, Member, Notice, Status, SubscribeOptions } from '../src/index.ts'
import type { Client } from '../src/store.ts'

// A client without a server: what a test says is what comes.

export interface Subscribed {
  channel: string
  options: SubscribeOptions
  listener: (entry: Entry<never>) => void
  cursor: string | undefined
  over: boolean
}

export class Fake implements Client {
  status: Status = { state: 'idle', technique: undefined }
  /** All there ever were. */
  readonly subscriptions: Subscribed[] = []
  readonly watchers = new Map<(members: Member[]) => void, string>()
  readonly listeners = new Set<(status: Status) => void>()
  refuses: Error | undefined
  private offset = 0

  channel<T>(name: string) {
    return {
      subscribe: (listener: (entry: Entry<T>) => void, options: SubscribeOptions) => {
        if (this.refuses) throw this.refuses
        const made: Subscribed = { channel: name, options, listener: listener as never, cursor: options.cursor, over: false }
        this.subscriptions.push(made)
        return {
          get cursor() {
            return made.cursor
          },
          stop: () => {
            made.over = true
          },
        }
      },
      presence: {
        watch: (listener: (members: Member[]) => void) => {
          this.watchers.set(listener, name)
          return () => this.watchers.delete(listener)
        },
      },
    }
  }

  onStatus(listener: (status: Status) => void): () => void {
    this.listeners.add(listener)
    listener(this.status)
    return () => this.listeners.delete(listener)
  }

  /** Those that go on. */
  get open(): Subscribed[] {
    return this.subscriptions.filter(({ over }) => !over)
  }

  say(channel: string, data: unknown, key?: string): void {
    const cursor = `e-${++this.offset}`
    for (const subscribed of this.open.filter((s) => s.channel === channel)) {
      subscribed.cursor = cursor
      const entry = { channel, cursor, time: '2026-11-26T00:00:00Z', data: data as never }
      subscribed.listener(key === undefined ? entry : { ...entry, key })
    }
  }

  tell(channel: string, notice: Notice): void {
    for (const { options } of this.open.filter((s) => s.channel === channel)) options.notice?.(notice)
  }

  fail(channel: string, error: unknown): void {
    for (const subscribed of this.open.filter((s) => s.channel === channel)) {
      subscribed.over = true
      subscribed.options.error?.(error)
    }
  }

  here(...keys: string[]): void {
    for (const listener of this.watchers.keys()) listener(keys.map((key) => ({ key })))
  }

  fares(status: Status): void {
    this.status = status
    for (const listener of [...this.listeners]) listener(status)
  }
}

/** Lets all that is due in this turn happen. */
export const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0))
