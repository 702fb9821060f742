import { openTime, type Reader } from './reader.ts'
import type { Spot } from './spot.ts'
import { ask } from './transports/ask.ts'

/** Finds the cursor at which reading a channel by since begins. */
export async function start(reader: Reader, { channel, cursor, since }: Spot): Promise<void> {
  const {
    url,
    options: { meter },
  } = reader.client
  const target = {
    url,
    meter,
    places: [{ channel, cursor, since }],
    token: await reader.client.token(),
    patience: openTime,
    only: reader.options.only,
    connection: channel.startsWith('$conn/') ? reader.connection : undefined,
  }
  const { begin } = await ask(target, 'poll', { limit: '1' }, openTime)
  reader.begin(channel, begin)
}
