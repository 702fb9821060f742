import type { Hop } from './hop.ts'
import type { Lab } from './lab.ts'

/** What tests read: plain values. */
export function snapshotOf(lab: Lab, hop: Hop) {
  const { seq, kept } = hop.publisher
  const { received, lost, repeated, outOfOrder } = hop.checker
  const { channel, via, hops, going, failed } = hop
  return {
    phase: lab.phase,
    channel: lab.channel,
    error: lab.error ?? '',
    url: lab.trouble.url,
    kept: lab.publisher.kept,
    sent: lab.publisher.seq,
    active: lab.active,
    queued: lab.queued,
    run: lab.run,
    lanes: Object.fromEntries(
      [...lab.probes].map(([via, probe]) => {
        const { error, reads } = probe
        return [via, { ...probe.measurement(lab.published), error: error?.message ?? '', reads }]
      }),
    ),
    hop: { channel, via, hops, going, failed, seq, kept, received, lost, repeated, outOfOrder },
  }
}

export type Snapshot = ReturnType<typeof snapshotOf>
