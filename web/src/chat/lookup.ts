import type { Channel, History, Range } from 'pabal'
import { untilKnown } from './again.ts'

/**
 * Whether the log has a message of this ID. The server knows an ID only for some minutes: who publishes an older message
 * again asks the log itself first.
 */
export async function isInLog(channel: Channel, id: string, signal: AbortSignal): Promise<boolean> {
  let place: Range = { since: 'all' }
  for (;;) {
    const page: History = await untilKnown(() => channel.history({ ...place, limit: 1000 }), signal)
    if (page.entries.some((entry) => entry.id === id)) return true
    if (!page.more) return false
    place = { cursor: page.cursor }
  }
}
