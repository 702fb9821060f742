import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'
import type { Via } from '../lanes/index.ts'
import { Canvas, type Drawing } from './canvas.tsx'
import { Picture } from './draw.ts'
import type { Lab } from './lab.ts'
import { about, hows, names } from './names.ts'
import type { Probe } from './probe.ts'
import { holds } from './shifts.ts'
import { Spread } from './spread.tsx'
import { bytes, count, ms } from './units.ts'
import { text } from './words.ts'

interface Props {
  lab: Lab
  via: Via
  /** Seconds that the picture shows. */
  span: number
}

/** Time as the pictures show it: up to now, or where motion is not wanted up to the last full second. */
export function spanTo(now: number, seconds: number, steady: boolean) {
  const to = steady ? Math.floor(now / 1000) * 1000 : now
  return { from: to - 1000 * seconds, to }
}

export function LaneRow({ lab, via, span }: Props) {
  const t = text()
  const probe = lab.probes.get(via)
  const draw: Drawing = (sheet) => {
    if (!probe) return
    const at = spanTo(probe.now, span, sheet.steady)
    const marks = probe.trace.marks(at.from, at.to, lab.missing(via))
    new Picture({ ...sheet, steady: sheet.steady || !probe.reads }, at).lane(marks)
  }
  const { state, say } = status(lab, via, probe)
  return (
    <li class="lane" data-via={via} data-state={state} aria-label={names()[via]}>
      <div class="lane-name">
        <h3>
          <span class="dot" aria-hidden="true" />
          {names()[via]}
        </h3>
        <p>{state === 'open' ? hows()[via] : say}</p>
      </div>
      {probe && (
        <>
          <div class="lane-picture">
            <span aria-hidden="true">{t.server}</span>
            <span aria-hidden="true">{t.browser}</span>
            <Canvas draw={draw} label={describe(lab, via, probe, span)} />
          </div>
          <Latency probe={probe} name={names()[via]} />
          <Numbers probe={probe} />
        </>
      )}
      <Details probe={probe} via={via} />
    </li>
  )
}

function Latency({ probe, name }: { probe: Probe; name: string }) {
  const t = text()
  const [p50, p90, p99] = [0.5, 0.9, 0.99].map((p) => ms(probe.latencies.percentile(p)))
  return (
    <div class="lane-latency">
      <Spread latencies={probe.latencies} />
      <dl aria-label={t.latencies(name, p50!, p90!, p99!)}>
        <Figure name={t.half}>{p50}</Figure>
        <Figure name={t.ninety}>{p90}</Figure>
        <Figure name={t.ninetyNine}>{p99}</Figure>
      </dl>
    </div>
  )
}

function Numbers({ probe }: { probe: Probe }) {
  const t = text()
  return (
    <dl class="lane-numbers">
      <Figure name={t.entries}>{count(probe.checker.received)}</Figure>
      <Figure name={t.requests}>{count(probe.requests)}</Figure>
      <Figure name={t.reconnects}>{count(probe.reconnects)}</Figure>
      <Figure name={t.size}>{bytes(probe.bytes)}</Figure>
      <Fault name={t.lost} count={probe.checker.lost} />
      <Fault name={t.repeated} count={probe.checker.repeated} />
      <Fault name={t.outOfOrder} count={probe.checker.outOfOrder} />
    </dl>
  )
}

function Figure({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div class="figure">
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  )
}

export function Fault({ name, count: faults }: { name: string; count: number }) {
  return (
    <div class="figure figure-fault" data-fault={faults > 0 || undefined}>
      <dt>{name}</dt>
      <dd>{count(faults)}</dd>
    </div>
  )
}

function Details({ probe, via }: { probe: Probe | undefined; via: Via }) {
  const t = text()
  const [open, setOpen] = useState(false)
  const { what, right, breaks } = about()[via]
  const received = probe?.checker.received ?? 0
  const half = probe?.latencies.percentile(0.5)
  return (
    <details class="lane-about" open={open} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary aria-label={`${names()[via]}: ${t.about}`}>{t.about}</summary>
      <dl>
        <div>
          <dt>{t.what}</dt>
          <dd>{what}</dd>
        </div>
        <div>
          <dt>{t.right}</dt>
          <dd>{right}</dd>
        </div>
        <div>
          <dt>{t.breaks}</dt>
          <dd>{breaks}</dd>
        </div>
        <div>
          <dt>{t.here}</dt>
          <dd>
            {probe && received
              ? t.hereNow(ms(half), bytes(probe.bytes / received), count(probe.requests / received))
              : t.hereNone}
          </dd>
        </div>
      </dl>
    </details>
  )
}

type State = 'rest' | 'open' | 'connecting' | 'waits' | 'failed'

function status(lab: Lab, via: Via, probe: Probe | undefined): { state: State; say: string } {
  const t = text()
  if (!probe) return { state: 'rest', say: t.resting }
  if (!probe.reads) return { state: 'rest', say: t.past }
  if (probe.error) return { state: 'failed', say: t.tries(probe.error.message) }
  const patient = holds[probe.via] === 'request' && probe.opened
  if (!patient && probe.waits > 2000) return { state: 'waits', say: t.noAnswer(ms(probe.waits)) }
  const [oldest] = holds[via] === 'short' ? [] : lab.missing(via)
  const late = oldest?.served === undefined ? 0 : performance.now() - oldest.served
  if (late > 3000) return { state: 'waits', say: t.stalled(ms(late)) }
  return probe.opened ? { state: 'open', say: t.open } : { state: 'connecting', say: t.connecting }
}

/** What the picture shows, in words. */
function describe(lab: Lab, via: Via, probe: Probe, span: number): string {
  const from = probe.now - 1000 * span
  const missing = lab.missing(via)
  const { falls, arrows } = probe.trace.marks(from, probe.now)
  const came = falls.reduce((sum, fall) => sum + fall.count, 0)
  const asked = arrows.filter((arrow) => arrow.up && arrow.from >= from).length
  return text().picture(names()[via], span, count(came), count(asked), count(missing.length))
}
