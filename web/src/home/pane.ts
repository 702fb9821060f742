import { connect, PabalError, type Entry, type Pabal, type Status, type Technique } from 'pabal'
import { after } from '../../../js/src/cursor.ts'
import type { Board } from './board.ts'
import { endOf, textOf } from './channel.ts'

/** A message, as a window shows it. */
export interface Message {
  cursor: string
  text: string
  own: boolean
}

/** What a window says between messages: how many came while it was cut off, or by which technique it goes on. */
export interface Mark {
  key: string
  came?: number
  by?: Technique
}

/** A line that was typed here, of which it is not known yet that the server has it. */
export interface Unsent {
  id: string
  text: string
}

const keep = 200

/**
 * One of the two windows: a client of its own, which reads by one technique only. It can be cut off; when it connects again
 * it goes on at its cursor, and what was typed meanwhile is published under the ID that it had, so that it is kept once.
 */
export class Pane {
  lines: (Message | Mark)[] = []
  unsent: Unsent[] = []
  status: Status = { state: 'idle', technique: undefined }
  isCut = false
  /** The channel is closed: nothing follows. */
  closed = false
  private refused = false
  error = ''
  private client: Pabal | undefined
  private cursor: string | undefined
  private own = new Set<string>()
  private life = 0
  private marks = 0

  constructor(
    readonly channel: string,
    public technique: Technique,
    private readonly board: Board,
    private readonly changed: () => void,
  ) {}

  /** How many messages the other window has had that this one has not. */
  get behind(): number {
    return this.board.after(this.cursor)
  }

  /** It does not read, until it is connected again. */
  get off(): boolean {
    return this.isCut || this.closed || this.refused
  }

  /** Begins with the last twenty messages, or goes on where it was. */
  async connect(): Promise<void> {
    const wasCut = this.isCut
    this.end()
    this.isCut = this.closed = this.refused = false
    this.error = ''
    const { life, cursor: from } = this
    const client = (this.client = connect(undefined, { techniques: [this.technique], hidden: 'pause' }))
    client.onStatus((status) => this.tell(() => (this.status = status)))
    // Where the log ends now: what lies between is what came meanwhile.
    const until = wasCut && from !== undefined ? await endOf(this.channel) : undefined
    if (this.life !== life) return
    this.follow(client, from, until === undefined ? undefined : { until, mark: this.mark({ came: 0 }) })
    for (const line of this.unsent) void this.send(client, line)
  }

  private follow(client: Pabal, from: string | undefined, missed: { until: string; mark: Mark } | undefined): void {
    let late = missed !== undefined && from !== missed.until
    client.channel(this.channel).subscribe(
      (entry) => {
        if (missed && after(entry.cursor, missed.until)) late = false
        if (late) missed!.mark.came!++
        this.hear(entry)
      },
      {
        ...(from === undefined ? { since: '20' } : { cursor: from }),
        notice: ({ notice, reason }) => {
          if (notice === '$closed' && reason === 'closed') this.tell(() => (this.closed = true))
        },
        error: (error) =>
          this.tell(() => {
            this.error = (error as Error).message
            this.refused = true
          }),
      },
    )
  }

  cut(): void {
    this.end()
    this.isCut = true
    this.changed()
  }

  /** Lets go of everything, without a word. */
  end(): void {
    this.life++
    const { client } = this
    this.client = undefined
    client?.close()
  }

  /** Reads by technique from now on, from where it is; a window that is cut will do so when it connects. */
  choose(technique: Technique): void {
    this.technique = technique
    if (this.isCut) return this.changed()
    this.mark({ by: technique })
    void this.connect()
  }

  /** Publishes text: now, or when this window is connected again. */
  publish(text: string): void {
    const line = { id: newID(), text }
    this.own.add(line.id)
    this.error = ''
    this.unsent = [...this.unsent, line]
    if (this.client) void this.send(this.client, line)
    this.changed()
  }

  private async send(client: Pabal, { id, text }: Unsent): Promise<void> {
    try {
      await client.channel(this.channel).publish(text, { id })
      this.sent(id)
    } catch (error) {
      if (!(error instanceof PabalError)) return // this window was cut: the line waits for the next connection
      this.tell(() => (this.error = error.message))
      this.sent(id)
    }
  }

  private sent(id: string): void {
    this.tell(() => (this.unsent = this.unsent.filter((line) => line.id !== id)))
  }

  private hear(entry: Entry): void {
    this.cursor = entry.cursor
    this.board.seen(entry.cursor)
    const own = entry.id !== undefined && this.own.has(entry.id)
    this.push({ cursor: entry.cursor, text: textOf(entry), own })
    if (own) this.sent(entry.id!)
    this.changed()
  }

  private mark(what: Omit<Mark, 'key'>): Mark {
    const mark = { key: `mark ${++this.marks}`, ...what }
    this.push(mark)
    return mark
  }

  private push(line: Message | Mark): void {
    this.lines = [...this.lines, line].slice(-keep)
  }

  private tell(change: () => void): void {
    change()
    this.changed()
  }
}

/** 128 random bits. */
const newID = (): string => Array.from(crypto.getRandomValues(new Uint32Array(4)), (word) => word.toString(36)).join('-')
