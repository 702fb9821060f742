import type { Entry } from 'pabal'
import { channelURL } from '../wire/wire.ts'

/** The cursor at which a channel ends now. Undefined if that cannot be had. */
export async function endOf(channel: string): Promise<string | undefined> {
  try {
    const response = await fetch(channelURL(channel), { method: 'HEAD', cache: 'no-store' })
    return response.headers.get('Pabal-Cursor') ?? undefined
  } catch {
    return undefined
  }
}

/** A message as a line, whoever has published it: text as it is, JSON as it is written, bytes as the text that they may be. */
export function textOf({ data, encoding }: Pick<Entry, 'data' | 'encoding'>): string {
  if (typeof data !== 'string') return JSON.stringify(data)
  if (encoding !== 'base64') return data
  return new TextDecoder().decode(Uint8Array.from(atob(data), (char) => char.charCodeAt(0)))
}
