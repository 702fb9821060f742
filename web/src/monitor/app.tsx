import { useEffect, useMemo, useState } from 'preact/hooks'
import { number } from '../format.ts'
import { hostChannel, hostChannels, type HostChannel } from './channels.ts'
import { LaneRow } from './lane.tsx'
import { span } from './lanestate.ts'
import { begin, Monitor, sharesOneConnection, type Snapshot } from './monitor.ts'
import { text } from './words.ts'

declare global {
  interface Window {
    /** Read only, for tests. */
    readonly monitor?: { snapshot(): Snapshot | undefined }
  }
}

let current: Monitor | undefined
Object.defineProperty(window, 'monitor', { value: Object.freeze({ snapshot: () => current?.snapshot() }) })

type Phase = { is: 'opening' } | { is: 'running'; monitor: Monitor } | { is: 'empty' } | { is: 'failed'; why: string }

export function App() {
  const [channel, setChannel] = useState(() => hostChannel(new URLSearchParams(location.search).get('channel')))
  const phase = useMonitor(channel)
  const t = text()
  const choose = (name: string) => {
    setChannel(hostChannel(name))
    const query = new URLSearchParams(location.search)
    query.set('channel', name)
    history.replaceState(null, '', `?${String(query).replace('%24', '$').replace('%2F', '/')}`)
  }
  return (
    <>
      <div class="bar">
        <div>
          <h1>{t.title}</h1>
          <p class="lead">{t.lead}</p>
        </div>
        <label class="field">
          <span>{t.channel}</span>
          <select value={channel.name} onChange={(event) => choose(event.currentTarget.value)}>
            {hostChannels.map(({ name, label }) => (
              <option key={name} value={name}>
                {label()} ({name})
              </option>
            ))}
          </select>
        </label>
      </div>
      {phase.is === 'running' && phase.monitor.channel === channel.name ? (
        <Lanes key={channel.name} monitor={phase.monitor} channel={channel} />
      ) : (
        <Nothing phase={phase} channel={channel.name} />
      )}
    </>
  )
}

/** Reads where the channel is and starts the lanes there; a channel that has no entries is asked again every few seconds. */
function useMonitor(channel: HostChannel): Phase {
  const [phase, setPhase] = useState<Phase>({ is: 'opening' })
  useEffect(() => {
    let over = false
    let monitor: Monitor | undefined
    let timer: ReturnType<typeof setTimeout>
    const open = async () => {
      try {
        const cursor = await begin(channel.name)
        if (over) return
        if (cursor === undefined) {
          setPhase({ is: 'empty' })
          timer = setTimeout(open, 3000)
          return
        }
        monitor = current = new Monitor(channel.name, cursor)
        monitor.start()
        setPhase({ is: 'running', monitor })
      } catch (error) {
        if (over) return
        setPhase({ is: 'failed', why: (error as Error).message })
        timer = setTimeout(open, 5000)
      }
    }
    setPhase({ is: 'opening' })
    void open()
    return () => {
      over = true
      clearTimeout(timer)
      monitor?.stop()
      current = undefined
    }
  }, [channel])
  return phase
}

function Nothing({ phase, channel }: { phase: Phase; channel: string }) {
  const t = text()
  return (
    <div class="nothing" role="status">
      {phase.is === 'opening' && <p>{t.reading(channel)}</p>}
      {phase.is === 'empty' && (
        <>
          <h2>{t.empty(channel)}</h2>
          <p>
            {t.emptyWhy} <code>--host-metrics=false</code>
            {t.emptyOr} <code>--host-metrics=true</code>
            {t.emptyThen}
          </p>
        </>
      )}
      {phase.is === 'failed' && (
        <>
          <h2>{t.failed(channel)}</h2>
          <p>{t.failedThen(phase.why)}</p>
        </>
      )}
    </div>
  )
}

const beat = 250
const figures = ['value', 'age', 'messages', 'requests', 'bytes', 'lost', 'repeated', 'outOfOrder'] as const

function Lanes({ monitor, channel }: { monitor: Monitor; channel: HostChannel }) {
  const t = text()
  const [now, setNow] = useState(Date.now)
  const tick = () => setNow(Date.now())
  useEffect(() => {
    const timer = setInterval(tick, beat)
    return () => clearInterval(timer)
  }, [])
  const { lanes, log } = monitor
  const range = rangeOf(monitor, channel)
  const allCut = lanes.every((lane) => lane.isCut)
  const toggleAll = () => {
    for (const lane of lanes) {
      if (allCut) lane.start()
      else if (!lane.isCut) lane.cut()
    }
    tick()
  }
  return (
    <>
      <div class="summary">
        <p class="now">
          <strong>{log.head ? channel.text(channel.value(log.head.seen.data)) : '–'}</strong>
          <span>
            {channel.measures()}
            {log.head && <small>{channel.detail(log.head.seen.data)}</small>}
          </span>
        </p>
        <Verdict monitor={monitor} now={now} />
        <button type="button" onClick={toggleAll}>
          {allCut ? t.restoreAll : t.cutAll}
        </button>
      </div>
      <Starved count={lanes.filter((lane) => lane.starved(now) > 0).length} />
      <div class="lanes-head" aria-hidden="true">
        <span>{t.technique}</span>
        <span>{t.lastEntries(span)}</span>
        {figures.map((name) => (
          <span key={name}>{t[name]}</span>
        ))}
        <span />
      </div>
      <ul class="lanes">
        {lanes.map((lane) => {
          const toggle = () => {
            if (lane.isCut) lane.start()
            else lane.cut()
            tick()
          }
          return <LaneRow key={lane.lane.name} {...{ lane, log, channel, range, now, toggle }} />
        })}
      </ul>
      <Connections />
    </>
  )
}

function Verdict({ monitor: { lanes }, now }: { monitor: Monitor; now: number }) {
  const t = text()
  const sum = (of: (lane: (typeof lanes)[number]) => number) => lanes.reduce((total, lane) => total + of(lane), 0)
  const cut = sum((lane) => (lane.isCut ? 1 : 0))
  const reading = sum((lane) => (!lane.isCut && lane.last && lane.error === undefined && !lane.starved(now) ? 1 : 0))
  const clean = lanes.every((lane) => lane.clean)
  const faults = (['lost', 'repeated', 'outOfOrder'] as const).map((fault) => number(sum((lane) => lane.checker[fault])))
  return (
    <p class="verdict" data-clean={clean} role="status">
      <strong>{clean ? t.agree : t.disagree}</strong>
      <span>{t.sum(reading, cut) + t.faults(faults[0]!, faults[1]!, faults[2]!)}</span>
    </p>
  )
}

function Starved({ count }: { count: number }) {
  const t = text()
  return (
    <div role="status">
      {count > 0 && (
        <p class="starved">
          <strong>{t.waits(count)}</strong> {t.waitsWhy}
        </p>
      )}
    </div>
  )
}

function Connections() {
  const t = text()
  const shared = useMemo(sharesOneConnection, [])
  return (
    <div class="note">
      <p>{t.modes}</p>
      <p>{shared ? t.shared : t.six}</p>
      <p>
        {t.bytesAre} <span class="late">{t.anotherColour}</span>.
      </p>
    </div>
  )
}

/** The same scale for all lanes, from what any of them has seen. */
function rangeOf(monitor: Monitor, channel: HostChannel): [number, number] {
  let high = 0
  for (const lane of monitor.lanes) for (const point of lane.points) high = Math.max(high, channel.value(point.data))
  return [0, high * 1.1 || 1]
}
