import type { Entry } from 'pabal'

/** What is published: who says what. Without tokens anybody may call themselves what they like. */
export interface Said {
  person: string
  name: string
  text: string
}

/** A message as the log has it. */
export interface Message {
  cursor: string
  id: string | undefined
  at: number
  /** Undefined: it came from elsewhere, like a command line. */
  person: string | undefined
  name: string | undefined
  text: string
}

export const longestText = 4000
export const longestName = 32

/** Whatever was published, as a message: anybody may publish anything. */
export function messageOf({ cursor, id, time, data, encoding }: Entry): Message {
  const message = { cursor, id, at: Date.parse(time), person: undefined, name: undefined }
  if (isSaid(data)) return { ...message, person: data.person, name: data.name.slice(0, longestName), text: data.text }
  if (encoding === 'base64') return { ...message, text: '…' }
  return { ...message, text: typeof data === 'string' ? data : JSON.stringify(data) }
}

export function isSaid(data: unknown): data is Said {
  const { person, name, text } = (data ?? {}) as Partial<Said>
  return typeof person === 'string' && typeof name === 'string' && typeof text === 'string'
}
