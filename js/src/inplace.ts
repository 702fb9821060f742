import { PabalError } from './error.ts'
import type { Reader } from './reader.ts'
import type { Road } from './road.ts'
import type { Spot } from './spot.ts'

/** Has a road that takes commands read a channel more. */
export async function subscribe(reader: Reader, road: Road, spot: Spot): Promise<void> {
  const { channel, cursor, since } = spot
  const isWanted = () => reader.spots.get(channel) === spot
  if (road !== reader.current || !road.link || road.channels.has(channel) || !isWanted()) return
  road.channels.add(channel)
  try {
    await road.link({ command: 'subscribe', channel, ...(cursor === undefined ? { since } : { cursor }) }, (reply) => {
      if (!isWanted()) return
      road.spots.set(channel, spot) // from here on what comes is of this subscription, and not of one before
      reader.begin(channel, reply.cursor)
    })
  } catch (error) {
    if (error instanceof PabalError && error.final && isWanted()) reader.drop(channel, error)
    else reader.reopenSoon()
  }
}

/** Has what reads let go of a channel, unless it is wanted again. */
export async function unsubscribe(reader: Reader, channel: string): Promise<void> {
  const { current } = reader
  try {
    await current?.link?.({ command: 'unsubscribe', channel })
    // Who unsubscribes leaves, says the protocol; to be present is to be so until leave, says the client, and says it again.
    reader.client.opened()
  } catch {
    reader.reopenSoon()
  }
}
