import type { Entry, Notice } from 'pabal'
import type { Meanwhile } from './meanwhile.ts'
import { messageOf, type Message } from './message.ts'

/** What is not a message: that the window was cut off here, or that the log has a hole. */
export type Mark = { key: string } & ({ cut: Meanwhile } | { missing: 'gap' | 'reset' })
export type Line = Message | Mark

export const isMark = (line: Line): line is Mark => 'key' in line

/** What was said, in the order of the log. */
export class Talk {
  lines: Line[] = []
  /** Whether there is something older than the first line; undefined: nobody has asked. */
  hasOlder: boolean | undefined
  /** The log was begun anew: what is shown from before that is not in it any more. */
  wasReset = false
  private readonly known = new Set<string>()
  private before: string | undefined
  private marks = 0

  /** The cursor before which what is older lies. */
  get begin(): string | undefined {
    return this.before ?? this.lines.find((line): line is Message => !isMark(line))?.cursor
  }

  hear(entry: Entry): Message | undefined {
    const message = this.take(entry)
    if (message) this.lines = [...this.lines, message]
    return message
  }

  older(entries: Entry[], before: string | undefined, more: boolean): void {
    const messages = entries.map((entry) => this.take(entry)).filter((message) => message !== undefined)
    this.lines = [...messages, ...this.lines]
    this.before = before
    this.hasOlder = more && before !== undefined
  }

  cut(meanwhile: Meanwhile): void {
    this.mark({ cut: meanwhile })
  }

  told({ notice }: Notice): void {
    if (notice === '$gap') this.mark({ missing: 'gap' })
    if (notice !== '$reset') return
    this.wasReset = true
    this.hasOlder = false
    this.mark({ missing: 'reset' })
  }

  private mark(what: { cut: Meanwhile } | { missing: 'gap' | 'reset' }): void {
    this.lines = [...this.lines, { key: `mark ${++this.marks}`, ...what }]
  }

  private take(entry: Entry): Message | undefined {
    if (this.known.has(entry.cursor)) return undefined
    this.known.add(entry.cursor)
    return messageOf(entry)
  }
}
