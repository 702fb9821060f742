import type { Carrier } from './client.ts'
import type { Spot } from './spot.ts'
import { deferred } from './time.ts'
import type { Batch, Command, Status, Target } from './types.ts'

/** How a road came to its end. */
export interface Outcome {
  /** Undefined: the server ended it, or we have. */
  error?: unknown
  /** Milliseconds since it opened; 0 if it never did. */
  lived: number
  /** How many signs of life came after the first. */
  signs: number
}

/** One response, or connection, by one technique. */
export class Road {
  readonly began = Date.now()
  /** Resolves once it has opened, or is known not to. */
  readonly opening: Promise<boolean>
  readonly done: Promise<Outcome>
  /** Its way up, if it has one. */
  link: Command | undefined
  opened = false
  signs = 0
  /** Of which channels it was asked to read, and at which places those are that it does. */
  readonly channels: Set<string>
  readonly spots: Map<string, Spot>
  /** It is not known whether it opens. */
  pending = true
  /** Why the server said that it will end: of $closed. */
  said: string | undefined
  /** How the client fares through which it reads, if it is not by itself. */
  status: Status | undefined
  error: unknown
  private readonly controller = new AbortController()
  private readonly first = deferred<boolean>()

  constructor(
    readonly technique: string,
    carrier: Promise<Carrier>,
    readonly target: Target,
    spots: Spot[],
    private readonly take: (road: Road, batch: Batch) => void,
  ) {
    this.channels = new Set(target.places.map((place) => place.channel))
    if (target.connection) this.channels.add(`$conn/${target.connection}`) // which is read too
    this.spots = new Map(spots.map((spot) => [spot.channel, spot]))
    this.opening = this.first.promise
    void this.opening.then(() => (this.pending = false))
    this.done = this.run(carrier, { ...target, link: (command) => (this.link = command) })
  }

  /** What it brings of channel is of no use any more. */
  forget(channel: string): void {
    this.channels.delete(channel)
    this.spots.delete(channel)
  }

  get over(): boolean {
    return this.controller.signal.aborted
  }

  abort(): void {
    this.controller.abort()
    this.link = undefined
    this.first.resolve(false)
  }

  private async run(carrier: Promise<Carrier>, target: Target): Promise<Outcome> {
    let openedAt = 0
    try {
      const { read } = await carrier
      for await (const batch of read(target, this.controller.signal)) {
        if (this.over) break
        if (this.opened) this.signs++
        else openedAt = Date.now()
        this.opened = true
        this.take(this, batch)
        batch.settle?.()
        this.first.resolve(true)
      }
    } catch (error) {
      if (!this.over) this.error = error
    }
    this.link = undefined
    this.first.resolve(false)
    return { error: this.error, lived: openedAt && Date.now() - openedAt, signs: this.signs }
  }
}
