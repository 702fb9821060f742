import type { Channel } from './channel.ts'
import type { Subscription, SubscribeOptions } from './subscription.ts'
import type { Entry } from './types.ts'

const most = 1000

/**
 * The entries of a channel, as they are asked for. When so many wait, reading ends and goes on at the last of them once they are
 * taken: the log is the queue.
 */
export class Entries<T> {
  private queue: Entry<T>[] = []
  private waiting: (() => void)[] = []
  private subscription: Subscription | undefined
  private last: string | undefined
  private over = false
  private failure: { error: unknown } | undefined

  constructor(
    private readonly channel: Channel<T>,
    private readonly options: SubscribeOptions,
  ) {
    this.last = options.cursor
    this.subscribe()
  }

  async next(): Promise<IteratorResult<Entry<T>, undefined>> {
    while (!this.queue.length && !this.over) {
      if (!this.subscription) this.subscribe()
      await new Promise<void>((resolve) => this.waiting.push(resolve))
    }
    const value = this.queue.shift()
    if (value) return { done: false, value }
    const { failure } = this
    this.failure = undefined
    if (failure) throw failure.error
    return { done: true, value: undefined }
  }

  async return(): Promise<IteratorResult<Entry<T>, undefined>> {
    this.queue = []
    this.end()
    return { done: true, value: undefined }
  }

  private subscribe(): void {
    const mine: Subscription = this.channel.subscribe((entry) => this.take(entry), {
      ...this.options,
      ...(this.last !== undefined && { cursor: this.last }),
      error: (error) => (this.failure = { error }),
    })
    this.subscription = mine
    void mine.ended.then(() => this.subscription === mine && this.end())
  }

  private take(entry: Entry<T>): void {
    this.queue.push(entry)
    this.last = entry.cursor
    if (this.queue.length >= most) {
      const { subscription } = this
      this.subscription = undefined
      subscription?.stop()
    }
    this.wake()
  }

  private end(): void {
    this.over = true
    const { subscription } = this
    this.subscription = undefined
    subscription?.stop()
    this.wake()
  }

  private wake(): void {
    for (const resolve of this.waiting.splice(0)) resolve()
  }
}
