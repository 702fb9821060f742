import { pathOf } from '../../../js/src/wire.ts'

/** The URL that reads a channel of this server; slashes and $ are part of a channel's name and stay as they are. */
export function channelURL(channel: string, query: Record<string, string | undefined> = {}): string {
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) if (value !== undefined) search.set(name, value)
  const q = search.toString()
  return `/channels/${pathOf(channel)}${q ? `?${q}` : ''}`
}
