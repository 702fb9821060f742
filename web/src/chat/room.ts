/** How long a room's name may be: in UTF-8 and escaped it still is a channel's name. */
export const longestRoom = 24
export const firstRoom = 'lobby'

/** The room that the address names: `?room=`. */
export function roomOf(search: string): string {
  return tidy(new URLSearchParams(search).get('room') ?? '') || firstRoom
}

export function tidy(room: string): string {
  return [...room.normalize('NFC').trim()].slice(0, longestRoom).join('')
}

/** The address of this page in that room; whatever else it says stays. */
export function addressOf(room: string, href: string): string {
  const url = new URL(href)
  url.searchParams.set('room', room)
  return url.pathname + url.search
}

/**
 * A room as a segment of a channel's name. A byte that is no letter, digit or one of `-_.` is written as `:` and two digits,
 * and so are all of a name of dots alone: a room may have any name, in any script, and no two have one channel.
 */
export function segmentOf(room: string): string {
  const dots = /^\.+$/.test(room)
  return [...new TextEncoder().encode(room)]
    .map((byte) => {
      const char = String.fromCharCode(byte)
      return /[A-Za-z0-9_.-]/.test(char) && !dots ? char : `:${byte.toString(16).toUpperCase().padStart(2, '0')}`
    })
    .join('')
}

export const channelOf = (room: string): string => `chat/${segmentOf(room)}`
