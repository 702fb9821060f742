import { PabalError } from './error.ts'
import type { Reader } from './reader.ts'
import { start } from './start.ts'

/** The server takes none of what reader asks. It reports whether there is something else to ask at once. */
export async function refuse(reader: Reader, error: PabalError): Promise<boolean> {
  if (error.status === 401) {
    const before = await reader.client.token().catch(() => undefined)
    const now = await reader.client.token(true).catch(() => undefined)
    return now !== undefined && now !== before && reader.failures++ < 2
  }
  // Of several channels the server does not say which it is: each is asked for alone.
  const spots = [...reader.spots.values()].filter((spot) => !spot.closed)
  if (spots.length < 2) {
    for (const { channel } of spots) reader.drop(channel, error)
    return true
  }
  if (error.limit === 'channels-per-response' && error.max) {
    for (const { channel } of spots.slice(error.max)) reader.drop(channel, error) // the newest
    return spots.length > error.max
  }
  let dropped = false
  for (const spot of spots) {
    const why = await start(reader, spot).catch((why: unknown) => why)
    if (!(why instanceof PabalError && why.final)) continue
    reader.drop(spot.channel, why)
    dropped = true
  }
  return dropped
}
