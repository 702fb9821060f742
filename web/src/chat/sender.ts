import { PabalError, type Pabal } from 'pabal'
import { untilKnown } from './again.ts'
import { isInLog } from './lookup.ts'
import type { Said } from './message.ts'
import type { Outbox, Unsent } from './outbox.ts'
import { channelOf } from './room.ts'

/** A message that was written longer ago may have an ID that the server has forgotten. */
const idKnown = 5 * 60_000

/** Publishes what is in the outbox, each message under its ID, however often: the log keeps it once. */
export class Sender {
  private pabal: Pabal | undefined
  private life = new AbortController()

  constructor(
    private readonly outbox: Outbox,
    private readonly room: string,
    private readonly changed: () => void,
  ) {}

  /** The IDs of what this window, and not another of the same person, has sent. */
  readonly sent = new Set<string>()

  /** From now on by this client: first what an earlier one, or an earlier page, has left. */
  start(pabal: Pabal): void {
    this.pabal = pabal
    this.life = new AbortController()
    for (const unsent of this.outbox.all()) void this.publish(unsent)
  }

  /** The client ends. What it has not sent, and what is written from now on, waits for the next. */
  stop(): void {
    this.pabal = undefined
    this.life.abort(new Error('the client was closed'))
  }

  send(said: Said): void {
    const unsent = this.outbox.add(this.room, said)
    this.sent.add(unsent.id)
    void this.publish(unsent)
    this.changed()
  }

  tryAgain(id: string): void {
    const unsent = this.outbox.again(id)
    if (unsent) void this.publish(unsent)
    this.changed()
  }

  discard(id: string): void {
    this.outbox.remove(id)
    this.changed()
  }

  private async publish({ id, at, room, person, name, text, refused, kept }: Unsent): Promise<void> {
    if (!this.pabal || refused !== undefined || kept) return
    const channel = this.pabal.channel<Said>(channelOf(room))
    const { signal } = this.life
    try {
      const known = Date.now() - at > idKnown && (await isInLog(channel, id, signal))
      const duplicate = known || (await untilKnown(() => channel.publish({ person, name, text }, { id }), signal)).duplicate
      // What is a duplicate has its place in the log already; of another room nothing is read here.
      if (duplicate || room !== this.room) this.outbox.remove(id)
      else this.outbox.kept(id)
    } catch (error) {
      // After any other error it is not known what came of it: it stays, and the next client publishes it again.
      if (error instanceof PabalError) this.outbox.refuse(id, error.message)
    }
    this.changed()
  }
}
