import { techniques } from '../techniques.ts'
import { channelURL, problemOf, type Answer } from '../wire/wire.ts'
import { LaneState, span } from './lanestate.ts'
import { Log } from './log.ts'

/** One channel, read by every technique from the same cursor on. */
export class Monitor {
  readonly log = new Log()
  readonly lanes: LaneState[]
  private resting = false

  constructor(
    readonly channel: string,
    from: string,
  ) {
    this.lanes = techniques.map((technique) => new LaneState(technique, channel, this.log, from))
  }

  start(): void {
    for (const lane of this.lanes) lane.start()
  }

  stop(): void {
    for (const lane of this.lanes) lane.stop()
  }

  /**
   * A page that nobody sees lets go of its connections, since all tabs share six of them; lanes that were not cut go on
   * at their cursors when it is seen again.
   */
  seen(visible: boolean): void {
    if (visible !== this.resting) return
    this.resting = !visible
    for (const lane of this.lanes) {
      if (lane.isCut) continue
      if (visible) lane.start()
      else lane.stop()
    }
  }

  /** What tests read: plain values, by technique. */
  snapshot() {
    const now = Date.now()
    return {
      channel: this.channel,
      head: this.log.head?.seq ?? 0,
      lanes: Object.fromEntries(
        this.lanes.map((lane) => [
          lane.technique.via,
          {
            cursor: lane.cursor,
            messages: lane.messages,
            requests: lane.requests,
            bytes: lane.bytes,
            cut: lane.isCut,
            error: lane.error ?? '',
            starved: lane.starved(now),
            caughtUp: lane.caughtUp,
            disagreed: lane.disagreed,
            lost: lane.checker.lost,
            repeated: lane.checker.repeated,
            outOfOrder: lane.checker.outOfOrder,
            told: lane.checker.told,
            entries: [...lane.checker.seen],
          },
        ]),
      ),
    }
  }
}

export type Snapshot = ReturnType<Monitor['snapshot']>

/** The cursor at which all lanes begin: half a minute back, so that there is something to see. Undefined if nothing is kept. */
export async function begin(channel: string, signal: AbortSignal): Promise<string | undefined> {
  const response = await fetch(channelURL(channel, { via: 'poll', since: String(span) }), { signal, cache: 'no-store' })
  if (response.status === 204) return undefined
  if (!response.ok) throw await problemOf(response)
  const answer = (await response.json()) as Answer
  return answer.entries[0]?.cursor
}

/** HTTP/2 and later carry all lanes on one connection; HTTP/1.1 needs one for each, and browsers open six to a host. */
export function sharesOneConnection(): boolean {
  const [page] = performance.getEntriesByType('navigation') as PerformanceNavigationTiming[]
  return page?.nextHopProtocol === 'h2' || page?.nextHopProtocol === 'h3'
}
