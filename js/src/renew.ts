import type { Reader } from './reader.ts'
import type { Notice } from './types.ts'

const again = 5000

/** The token ends soon: another is had in time, and not by all who read at once. */
export function renewSoon(reader: Reader, { expires }: Notice): void {
  const left = Math.max(0, Date.parse(expires ?? '') - Date.now()) || 60_000
  later(reader, left / 4 + (Math.random() * left) / 4)
}

function later(reader: Reader, ms: number): void {
  clearTimeout(reader.timers.token)
  reader.timers.token = setTimeout(() => void renew(reader), ms)
}

async function renew(reader: Reader): Promise<void> {
  try {
    const token = await reader.client.token(true)
    if (token === undefined) return
    if (reader.link) await reader.link({ command: 'refresh', token })
    else reader.reopenSoon()
  } catch {
    later(reader, again) // reading goes on until the old one ends
  }
}
