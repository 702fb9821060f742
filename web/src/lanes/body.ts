import { channelURL, problemOf } from '../wire/wire.ts'
import type { Target } from './lane.ts'

/** Opens an endless response by fetch and yields its bytes as they come. Silence of 2.5 heartbeats is a failure. */
export async function openBody(
  to: Target,
  via: string,
  signal: AbortSignal,
): Promise<{ response: Response; chunks: (beat: () => number) => AsyncGenerator<Uint8Array> }> {
  const watch = new AbortController()
  to.meter.asked()
  const response = await fetch(channelURL(to.channel, { via, cursor: to.cursor }), {
    signal: AbortSignal.any([signal, watch.signal]),
    cache: 'no-store',
  })
  to.meter.answered()
  if (!response.ok) throw await problemOf(response)

  async function* chunks(beat: () => number): AsyncGenerator<Uint8Array> {
    const reader = response.body!.getReader()
    let timer: ReturnType<typeof setTimeout> | undefined
    try {
      for (;;) {
        const silence = 2500 * beat()
        timer = setTimeout(() => watch.abort(new Error(`silent for ${silence / 1000} s`)), silence)
        const { done, value } = await reader.read()
        clearTimeout(timer)
        if (done) return
        to.meter.took(value.length)
        yield value
      }
    } finally {
      clearTimeout(timer)
      watch.abort()
    }
  }
  return { response, chunks }
}

/** What a heartbeat is taken to be until $open has said it. */
export const defaultBeat = 25
