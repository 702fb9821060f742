import type { Pabal } from './client.ts'
import { PabalError } from './error.ts'
import type { Subscription } from './subscription.ts'
import type { Batch, Entry, Notice, Reply, Status, Target } from './types.ts'

/** What a tab says to the host. */
export type Asked = Opening | Commanding | { tab: string; id: string; close: true } | { tab: string; id: string; token: string | undefined }

interface Opening {
  tab: string
  id: string
  open: Pick<Target, 'places' | 'only' | 'every' | 'connection'>
}

interface Commanding {
  tab: string
  id: string
  command: Record<string, unknown>
}

/** What the host says to tabs: to those whose reads, or commands, are named. */
export type Said =
  | { to: string[]; batch: Batch }
  | { to: string[]; status: Status }
  | { to: string[]; refused: { channel: string; problem: object } }
  | { to: string[]; reply: Reply }
  | { to: string[]; failed: object | string }
  | { token: true }
  | { hello: true }
  | { again: true }

interface Read {
  tab: string
  subscriptions: Subscription[]
  /** Where answers to the calls of this tab go. */
  inbox: string
}

/**
 * Serves the tabs of a browser from one client. Each read of a tab is a few subscriptions of it: so a tab begins at its own
 * cursor, shares what is read, and goes on with another host where it was.
 */
export class Host {
  private readonly reads = new Map<string, Read>()
  private readonly present = new Map<string, Set<string>>()
  private readonly stopStatus: () => void
  private out: { what: Entry | Notice; to: string[] }[] = []

  constructor(
    private readonly client: Pabal,
    private readonly say: (said: Said) => void,
  ) {
    this.stopStatus = client.onStatus((status) => this.reads.size && say({ to: [...this.reads.keys()], status }))
  }

  hear(asked: Asked): void {
    if (!asked || typeof asked !== 'object') return // it is not ours
    if ('open' in asked) this.open(asked)
    else if ('close' in asked) this.close(asked.id)
    else if ('command' in asked) void this.command(asked)
  }

  /** The tab is no more. */
  gone(tab: string): void {
    for (const [id, read] of this.reads) if (read.tab === tab) this.close(id)
    for (const channel of this.present.keys()) void this.leave(tab, channel)
  }

  end(): void {
    this.stopStatus()
    this.client.close()
  }

  private open({ tab, id, open: { places, only, every, connection } }: Opening): void {
    this.close(id)
    const read: Read = { tab, subscriptions: [], inbox: `$conn/${connection}` }
    this.reads.set(id, read)
    this.say({ to: [id], status: this.client.status })
    this.say({ to: [id], batch: { entries: [], notices: [] } })
    for (const { channel, cursor, since } of places) {
      if (channel === read.inbox) continue // its entries are those of the host's own inbox
      const subscription = this.client.subscribe(channel, (entry) => this.put(entry, id), {
        ...(only && { only }),
        ...(every && { every }),
        cursor,
        since: since ?? 'now',
        begun: (at) => this.put({ notice: '$open', channel, cursor: at }, id),
        notice: (notice) => notice.notice !== '$expiring' && this.put(notice, id),
        error: (error) => this.say({ to: [id], refused: { channel, problem: problemOf(error) } }),
      })
      read.subscriptions.push(subscription)
    }
  }

  private close(id: string): void {
    const read = this.reads.get(id)
    this.reads.delete(id)
    for (const subscription of read?.subscriptions ?? []) subscription.stop()
  }

  /** What several reads are told at once is said once. */
  private put(what: Entry | Notice, id: string): void {
    if (!this.out.length) queueMicrotask(() => this.flush())
    const same = this.out.findLast((item) => item.what === what)
    if (same) same.to.push(id)
    else this.out.push({ what, to: [id] })
  }

  private flush(): void {
    const { out } = this
    this.out = []
    let batch: Batch = { entries: [], notices: [] }
    let to: string[] = []
    const send = () => to.length && this.say({ to, batch })
    for (const item of out) {
      const isNotice = 'notice' in item.what
      if (String(item.to) !== String(to) || (isNotice && batch.entries.length)) {
        send()
        batch = { entries: [], notices: [] }
        to = item.to
      }
      if (isNotice) batch.notices.push(item.what as Notice)
      else batch.entries.push(item.what as Entry)
    }
    send()
  }

  private async command({ tab, id, command }: Commanding): Promise<void> {
    try {
      this.say({ to: [id], reply: await this.carryOut(tab, command) })
    } catch (error) {
      this.say({ to: [id], failed: error instanceof PabalError ? problemOf(error) : String(error) })
    }
  }

  private async carryOut(tab: string, command: Record<string, unknown>): Promise<Reply> {
    const { client } = this
    const channel = String(command.channel)
    switch (command.command) {
      case 'hop':
        await client.hop(command.technique as string | undefined)
        return { ok: true }
      case 'call':
        await this.answer(tab, String(command.call))
        break
      case 'presence': {
        const inquiries = await client.inquiries()
        await inquiries.name()
        if (command.leave) return this.leave(tab, channel)
        const tabs = this.present.get(channel) ?? new Set()
        this.present.set(channel, tabs.add(tab))
        await inquiries.presence(channel).enter(command.data)
        return { ok: true, channel }
      }
    }
    return client.send(command)
  }

  /** Tabs of one browser are one connection: it is present while one of them is. */
  private async leave(tab: string, channel: string): Promise<Reply> {
    const tabs = this.present.get(channel)
    if (tabs?.delete(tab) && !tabs.size) await (await this.client.inquiries()).presence(channel).leave()
    return { ok: true, channel }
  }

  private async answer(tab: string, call: string): Promise<void> {
    const forget = (await this.client.inquiries()).inbox(call, (entry) => {
      for (const [id, read] of this.reads) if (read.tab === tab) this.put({ ...entry, channel: read.inbox }, id)
      if (entry.type !== 'part') forget()
    })
  }
}

function problemOf(error: unknown): object {
  if (!(error instanceof PabalError)) return { title: String(error), status: 0 }
  const { status, type, title, message, limit, max, cursor, retryAfter } = error
  return { status, type, title, detail: message, limit, max, cursor, retryAfter }
}
