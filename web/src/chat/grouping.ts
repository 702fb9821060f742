import type { Message } from './message.ts'
import { isMark, type Line, type Mark } from './talk.ts'

/** Messages of one person, one soon after the other, under one name and time. */
export interface Group {
  /** Of the first message: it stays when others are added. */
  key: string
  person: string | undefined
  name: string | undefined
  at: number
  messages: Message[]
}

export type Block = { day: number; key: string } | { mark: Mark; key: string } | { group: Group; key: string }

const together = 5 * 60_000

/** The lines as they are shown: by day, and by who said them. */
export function blocksOf(lines: readonly Line[]): Block[] {
  const blocks: Block[] = []
  let group: Group | undefined
  let last: Message | undefined
  for (const line of lines) {
    if (isMark(line)) {
      blocks.push({ mark: line, key: line.key })
      group = undefined
      continue
    }
    if (!last || dayOf(last.at) !== dayOf(line.at)) {
      blocks.push({ day: line.at, key: `day ${line.cursor}` })
      group = undefined
    }
    if (group && last && belongs(line, last)) group.messages.push(line)
    else {
      const { cursor: key, person, name, at } = line
      group = { key, person, name, at, messages: [line] }
      blocks.push({ group, key })
    }
    last = line
  }
  return blocks
}

const belongs = (line: Message, last: Message): boolean =>
  line.person === last.person && line.name === last.name && line.at - last.at < together

function dayOf(at: number): string {
  const date = new Date(at)
  return `${date.getFullYear()}-${date.getMonth()}-${date.getDate()}`
}
