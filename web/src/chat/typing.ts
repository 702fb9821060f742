import type { Channel, Entry } from 'pabal'
import { longestName } from './message.ts'

/** What is published while somebody writes; done: the message is sent, or given up. */
export interface Writing {
  person: string
  name: string
  done?: boolean
}

/** How long it counts. Who goes on writing says so again before. */
export const lasts = 4000
const again = 2500

/** Who is writing at the moment. */
export class Typing {
  private readonly people = new Map<string, { name: string; until: number }>()
  private ahead = -Infinity

  /**
   * Milliseconds since an entry was kept. How far the server's clock is ahead of this one is seen by the entries: none comes
   * before it was kept.
   */
  private ageOf(entry: Entry, now: number): number {
    this.ahead = Math.max(this.ahead, Date.parse(entry.time) - now)
    return now + this.ahead - Date.parse(entry.time)
  }

  /** Learns the server's clock from anything that comes. */
  clock(entry: Entry, now = Date.now()): void {
    this.ageOf(entry, now)
  }

  /** Takes what somebody says. It reports whether that is something. */
  hear(entry: Entry, now = Date.now()): boolean {
    const { person, name, done } = (entry.data ?? {}) as Partial<Writing>
    const left = lasts - this.ageOf(entry, now)
    if (typeof person !== 'string' || typeof name !== 'string') return false
    if (done || left <= 0) this.people.delete(person)
    else this.people.set(person, { name: name.slice(0, longestName), until: now + left })
    return true
  }

  /** What was being written has come. */
  stop(person: string): void {
    this.people.delete(person)
  }

  /** The names of those who write, and in how many milliseconds that may be another. */
  now(except: string, now = Date.now()): { names: string[]; next: number | undefined } {
    for (const [person, { until }] of this.people) if (until <= now) this.people.delete(person)
    const others = [...this.people].filter(([person]) => person !== except).map(([, writing]) => writing)
    const next = others.length ? Math.min(...others.map(({ until }) => until)) - now : undefined
    return { names: others.map(({ name }) => name), next }
  }
}

/** Tells the others that one writes: now and then while that goes on. */
export class Writer {
  private saidAt: number | undefined

  tell(channel: Channel<Writing>, who: { person: string; name: string }, writes: boolean, now = Date.now()): void {
    if (writes ? this.saidAt !== undefined && now - this.saidAt < again : this.saidAt === undefined) return
    this.saidAt = writes ? now : undefined
    const said = { person: who.person, name: who.name, ...(!writes && { done: true }) }
    const late = () => {} // it is worth nothing later, so nobody tries again
    channel.publish(said, { key: who.person, signal: AbortSignal.timeout(2000) }).catch(late)
  }
}
