import { newID } from './id.ts'
import { isSaid, type Said } from './message.ts'
import type { Store } from './store.ts'

/** A message that was written here. */
export interface Unsent extends Said {
  id: string
  room: string
  at: number
  /** Why the server does not take it. */
  refused?: string
  /** The server has it; it has not been read back yet. */
  kept?: boolean
}

const prefix = 'pabal.chat.unsent.'

/**
 * The messages of which it is not known that the server has them. Each is in the browser's store with the ID by which it is
 * published: it outlives a reload, and is published again under that ID, so that the log keeps it once. Each has a key of
 * its own there, as several tabs write.
 */
export class Outbox {
  private readonly messages = new Map<string, Unsent>()
  private last = 0

  constructor(private readonly store: Store) {
    for (const key of store.keys(prefix)) {
      const unsent = parse(store.get(key))
      if (unsent) this.messages.set(unsent.id, unsent)
      else store.remove(key)
    }
  }

  /** In the order in which they were written. */
  all(): Unsent[] {
    return [...this.messages.values()].sort((a, b) => a.at - b.at)
  }

  add(room: string, said: Said, now = Date.now()): Unsent {
    this.last = Math.max(now, this.last + 1) // two of one millisecond have an order, too
    const unsent: Unsent = { ...said, id: newID(), room, at: this.last }
    this.write(unsent)
    return unsent
  }

  /** The server has it: from now on only this page waits, until it has read it back. */
  kept(id: string): void {
    const unsent = this.messages.get(id)
    if (unsent) this.messages.set(id, { ...unsent, kept: true })
    this.store.remove(prefix + id)
  }

  refuse(id: string, why: string): void {
    const unsent = this.messages.get(id)
    if (unsent) this.write({ ...unsent, refused: why })
  }

  /** It is to be tried again. */
  again(id: string): Unsent | undefined {
    const unsent = this.messages.get(id)
    if (!unsent) return undefined
    const { refused: _, ...rest } = unsent
    this.write(rest)
    return rest
  }

  remove(id: string): void {
    this.messages.delete(id)
    this.store.remove(prefix + id)
  }

  private write(unsent: Unsent): void {
    this.messages.set(unsent.id, unsent)
    this.store.set(prefix + unsent.id, JSON.stringify(unsent))
  }
}

function parse(text: string | undefined): Unsent | undefined {
  try {
    const unsent = JSON.parse(text ?? 'null') as Unsent | null
    if (!isSaid(unsent) || !Number.isFinite(unsent.at)) return undefined
    return typeof unsent.id === 'string' && typeof unsent.room === 'string' ? unsent : undefined
  } catch {
    return undefined
  }
}
