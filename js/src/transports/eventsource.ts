import { RoadError, SilentError } from '../error.ts'
import type { Batch, Target } from '../types.ts'
import { batchOf, byteLength, patienceOf, readURL } from '../wire.ts'
import { ask } from './ask.ts'
import { listen, type Sink } from './listen.ts'

const notices = ['$open', '$live', '$gap', '$reset', '$skipped', '$closed', '$expiring']

/**
 * The browser's own EventSource. It shows no comments, so silence is no sign of anything: after two heartbeats of it, one question
 * tells whether something is held back. What it can send a token with is the URL.
 */
export async function* read(to: Target, signal: AbortSignal): AsyncGenerator<Batch> {
  if (typeof EventSource === 'undefined') throw new RoadError('there is no EventSource here')
  yield* listen(signal, (sink) => new Source(to, sink, signal).stop)
}

class Source {
  private readonly source: EventSource
  private readonly cursors: Map<string, string | undefined>
  private patience: number
  private timer: ReturnType<typeof setTimeout> | undefined
  private opened = false

  constructor(
    private readonly to: Target,
    private readonly sink: Sink,
    private readonly signal: AbortSignal,
  ) {
    this.cursors = new Map(to.places.map((place) => [place.channel, place.cursor]))
    this.patience = to.patience
    this.source = new EventSource(readURL(to, 'sse', { format: 'message', ...(to.token && { token: to.token }) }))
    to.meter?.asked()
    this.source.onopen = () => to.meter?.answered()
    // It would go on by itself, with Last-Event-ID; but whoever reads by it does that, and also knows other roads.
    this.source.onerror = () => (this.opened ? sink.end() : void this.unopened())
    this.source.onmessage = this.take
    for (const name of notices) this.source.addEventListener(name, this.take)
    this.timer = setTimeout(() => sink.fail(new SilentError(this.patience)), this.patience)
  }

  readonly stop = (): void => {
    clearTimeout(this.timer)
    this.source.close()
  }

  private readonly take = (event: MessageEvent<string>): void => {
    this.opened = true
    this.fed()
    this.to.meter?.took(byteLength(event.data) + event.lastEventId.length + '\nid: \ndata: \n'.length)
    try {
      const batch = batchOf(JSON.parse(event.data) as object)
      if (!batch) return
      this.patience = patienceOf(batch) ?? this.patience
      for (const { channel, cursor } of [...batch.entries, ...batch.notices]) if (channel && cursor) this.cursors.set(channel, cursor)
      this.sink.put(batch)
    } catch (error) {
      this.sink.fail(error)
    }
  }

  private fed(): void {
    clearTimeout(this.timer)
    this.timer = setTimeout(() => void this.suspect(), this.patience)
  }

  /** It does not say why. It may be the 204 of channels that are closed and read to their ends, which is no error: a poll tells. */
  private async unopened(): Promise<void> {
    this.stop()
    try {
      const { batches } = await ask({ ...this.to, meter: undefined }, 'poll', { limit: '1' }, 10_000, this.signal)
      const closed = batches.flatMap((batch) => batch.notices).filter(({ notice }) => notice === '$closed')
      if (closed.length < this.to.places.length) throw new Error('no EventSource was opened')
      this.sink.put({ entries: [], notices: closed })
      this.sink.end()
    } catch (error) {
      this.sink.fail(error)
    }
  }

  /** Asks whether there is something that has not come here. */
  private async suspect(): Promise<void> {
    const places = this.to.places.map((place) => ({ ...place, cursor: this.cursors.get(place.channel) }))
    if (places.some((place) => place.cursor === undefined)) return this.fed() // $open over several channels: nothing has come yet
    try {
      const { batches } = await ask({ ...this.to, places, meter: undefined }, 'poll', { limit: '1' }, 10_000, this.signal)
      const held = batches.flatMap((batch) => batch.entries).filter(({ channel }) => places.some((p) => p.channel === channel && p.cursor === this.cursors.get(channel)))
      if (held.length) this.sink.fail(new SilentError(this.patience))
      else this.fed()
    } catch (error) {
      this.sink.fail(error)
    }
  }
}
