import type { ComponentChildren } from 'preact'
import { age, bytes, number } from '../format.ts'
import type { HostChannel } from './channels.ts'
import type { LaneState } from './lanestate.ts'
import type { Log } from './log.ts'
import { Sparkline } from './sparkline.tsx'

interface Props {
  lane: LaneState
  log: Log
  channel: HostChannel
  range: [number, number]
  now: number
  toggle: () => void
}

export function LaneRow({ lane, log, channel, range, now, toggle }: Props) {
  const { technique, checker, last } = lane
  const { state, text } = status(lane, log, now)
  return (
    <li class="lane" data-via={technique.via} data-state={state} aria-label={technique.name}>
      <div class="lane-name">
        <span class="dot" aria-hidden="true" />
        <h2>{technique.name}</h2>
        <p>
          <span class="lane-state">{text}</span>
          {text === 'Live' && <span class="lane-how">, {technique.how}</span>}
        </p>
      </div>
      <Sparkline points={lane.points} head={log.head?.seq ?? 0} value={channel.value} range={range} />
      <dl class="lane-numbers">
        <Figure name="Value" kind="value">
          {last ? channel.text(channel.value(last.seen.data)) : '–'}
        </Figure>
        <Figure name="Age" kind="age">
          {last ? age(log.age(last.seen, last.arrived, now)) : '–'}
        </Figure>
        <Figure name="Messages">{number(lane.messages)}</Figure>
        <Figure name="Requests">{number(lane.requests)}</Figure>
        <Figure name="Bytes">{bytes(lane.bytes)}</Figure>
        <Fault name="Lost" count={checker.lost} />
        <Fault name="Repeated" count={checker.repeated} />
        <Fault name="Out of order" count={checker.outOfOrder} />
      </dl>
      <button type="button" class="lane-cut" aria-label={`${lane.isCut ? 'Restore' : 'Cut'} ${technique.name}`} onClick={toggle}>
        {lane.isCut ? 'Restore' : 'Cut'}
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

function status(lane: LaneState, log: Log, now: number): { state: State; text: string } {
  const head = log.head?.seq ?? 0
  const behind = Math.max(0, head - (lane.last?.seen.seq ?? head))
  if (lane.cutAt !== undefined) return { state: 'cut', text: `Cut, ${number(behind)} behind` }
  const starved = lane.starved(now)
  if (starved) return { state: 'starved', text: `Queued for ${age(starved)}` }
  if (lane.error) return { state: 'failed', text: `Trying again: ${lane.error}` }
  if (!lane.last) return { state: 'waiting', text: 'Connecting' }
  if (lane.checker.told > 0) return { state: 'live', text: `Live, ${number(lane.checker.told)} missed and told` }
  if (lane.caughtUp > 0) return { state: 'live', text: `Live, caught up ${number(lane.caughtUp)}` }
  return { state: 'live', text: 'Live' }
}
