import { deferred } from './time.ts'
import type { Batch, Command, Status, Target, Transport } from './types.ts'

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
  /** What it reads, at present. */
  readonly channels: Set<string>
  /** Why the server said that it will end: of $closed. */
  said: string | undefined
  /** How the client fares through which it reads, if it is not by itself. */
  status: Status | undefined
  error: unknown
  private readonly controller = new AbortController()
  private readonly first = deferred<boolean>()

  constructor(
    readonly technique: string,
    transport: Promise<Transport>,
    readonly target: Target,
    private readonly take: (road: Road, batch: Batch) => void,
  ) {
    this.channels = new Set(target.places.map((place) => place.channel))
    if (target.connection) this.channels.add(`$conn/${target.connection}`) // which is read too
    this.opening = this.first.promise
    this.done = this.run(transport, { ...target, link: (command) => (this.link = command) })
  }

  get over(): boolean {
    return this.controller.signal.aborted
  }

  abort(): void {
    this.controller.abort()
    this.link = undefined
    this.first.resolve(false)
  }

  private async run(transport: Promise<Transport>, target: Target): Promise<Outcome> {
    let openedAt = 0
    try {
      const read = await transport
      for await (const batch of read(target, this.controller.signal)) {
        if (this.over) break
        if (this.opened) this.signs++
        else openedAt = Date.now()
        this.opened = true
        this.take(this, batch)
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
