import type { ComponentChildren } from 'preact'
import { age, bytes, number } from '../format.ts'
import type { HostChannel } from './channels.ts'
import type { LaneState } from './lanestate.ts'
import type { Log } from './log.ts'
import { Sparkline } from './sparkline.tsx'
import { laneText, text } from './words.ts'

interface Props {
  lane: LaneState
  log: Log
  channel: HostChannel
  range: [number, number]
  now: number
  toggle: () => void
}

export function LaneRow({ lane, log, channel, range, now, toggle }: Props) {
  const t = text()
  const { checker, last } = lane
  const [name, how] = laneText()[lane.lane.name] as [string, string]
  const { state, says } = status(lane, log, now)
  return (
    <li class="lane" data-via={lane.lane.name} data-state={state} aria-label={name}>
      <div class="lane-name">
        <span class="dot" aria-hidden="true" />
        <h2>{name}</h2>
        <p>
          <span class="lane-state">{says}</span>
          {says === t.live && <span class="lane-how">, {how}</span>}
        </p>
      </div>
      <Sparkline points={lane.points} head={log.head?.seq ?? 0} value={channel.value} range={range} />
      <dl class="lane-numbers">
        <Figure name={t.value} kind="value">
          {last ? channel.text(channel.value(last.seen.data)) : '–'}
        </Figure>
        <Figure name={t.age} kind="age">
          {last ? age(log.age(last.seen, last.arrived, now)) : '–'}
        </Figure>
        <Figure name={t.messages}>{number(lane.messages)}</Figure>
        <Figure name={t.requests}>{number(lane.requests)}</Figure>
        <Figure name={t.bytes}>{bytes(lane.bytes)}</Figure>
        <Fault name={t.lost} count={checker.lost} />
        <Fault name={t.repeated} count={checker.repeated} />
        <Fault name={t.outOfOrder} count={checker.outOfOrder} />
      </dl>
      <button type="button" class="lane-cut" aria-label={`${lane.isCut ? t.restore : t.cut}: ${name}`} onClick={toggle}>
        {lane.isCut ? t.restore : t.cut}
      </button>
    </li>
  )
}

function Figure({ name, kind, children }: { name: string; kind?: string; children: ComponentChildren }) {
  return (
    <div class={`figure ${kind ? `figure-${kind}` : ''}`}>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  )
}

function Fault({ name, count }: { name: string; count: number }) {
  return (
    <div class="figure figure-fault" data-fault={count > 0 || undefined}>
      <dt>{name}</dt>
      <dd>{number(count)}</dd>
    </div>
  )
}

type State = 'live' | 'cut' | 'starved' | 'failed' | 'waiting'

function status(lane: LaneState, log: Log, now: number): { state: State; says: string } {
  const t = text()
  const head = log.head?.seq ?? 0
  const behind = Math.max(0, head - (lane.last?.seen.seq ?? head))
  if (lane.cutAt !== undefined) return { state: 'cut', says: t.isCut(number(behind)) }
  const starved = lane.starved(now)
  if (starved) return { state: 'starved', says: t.queued(age(starved)) }
  if (lane.error !== undefined) return { state: 'failed', says: t.again(lane.error) }
  if (!lane.last) return { state: 'waiting', says: t.connecting }
  if (lane.skipped > 0) return { state: 'live', says: t.skipped(number(lane.skipped)) }
  if (lane.checker.told > 0) return { state: 'live', says: t.told(number(lane.checker.told)) }
  if (lane.caughtUp > 0) return { state: 'live', says: t.caughtUp(number(lane.caughtUp)) }
  return { state: 'live', says: t.live }
}
