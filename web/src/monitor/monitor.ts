import { connect } from 'pabal'
import { lanes } from './lanes.ts'
import { LaneState, span } from './lanestate.ts'
import { Log } from './log.ts'

/** One channel, read in every way from the same cursor on. */
export class Monitor {
  readonly log = new Log()
  readonly lanes: LaneState[]

  constructor(
    readonly channel: string,
    from: string,
  ) {
    this.lanes = lanes.map((lane) => new LaneState(lane, channel, this.log, from))
  }

  start(): void {
    for (const lane of this.lanes) lane.start()
  }

  stop(): void {
    for (const lane of this.lanes) lane.stop()
  }

  /** What tests read: plain values, by the name of the lane. */
  snapshot() {
    const now = Date.now()
    return {
      channel: this.channel,
      head: this.log.head?.seq ?? 0,
      lanes: Object.fromEntries(
        this.lanes.map((state) => [
          state.lane.name,
          {
            cursor: state.cursor,
            messages: state.messages,
            requests: state.requests,
            bytes: state.bytes,
            cut: state.isCut,
            error: state.error ?? '',
            starved: state.starved(now),
            caughtUp: state.caughtUp,
            skipped: state.skipped,
            disagreed: state.disagreed,
            lost: state.checker.lost,
            repeated: state.checker.repeated,
            outOfOrder: state.checker.outOfOrder,
            told: state.checker.told,
            entries: [...state.checker.seen],
          },
        ]),
      ),
    }
  }
}

export type Snapshot = ReturnType<Monitor['snapshot']>

/** The cursor at which all lanes begin: half a minute back, for something to see. Undefined if nothing is kept. */
export async function begin(channel: string): Promise<string | undefined> {
  const client = connect()
  try {
    const { entries } = await client.channel(channel).history({ since: String(span) })
    return entries[0]?.cursor
  } finally {
    client.close()
  }
}

/** HTTP/2 and later carry all lanes on one connection; HTTP/1.1 needs one for each, and browsers open six to a host. */
export function sharesOneConnection(): boolean {
  const [page] = performance.getEntriesByType('navigation') as PerformanceNavigationTiming[]
  return page?.nextHopProtocol === 'h2' || page?.nextHopProtocol === 'h3'
}
