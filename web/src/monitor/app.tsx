import { useEffect, useMemo, useState } from 'preact/hooks'
import { number } from '../format.ts'
import { hostChannel, hostChannels, type HostChannel } from './channels.ts'
import { LaneRow } from './lane.tsx'
import { span } from './lanestate.ts'
import { begin, Monitor, sharesOneConnection, type Snapshot } from './monitor.ts'

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
  const choose = (name: string) => {
    setChannel(hostChannel(name))
    history.replaceState(null, '', `?channel=${name}`)
  }
  return (
    <>
      <div class="bar">
        <div>
          <h1>One channel, every technique</h1>
          <p class="lead">Cut a lane, wait, restore it: it goes on at its own cursor and has missed nothing.</p>
        </div>
        <label class="field">
          <span>Channel</span>
          <select value={channel.name} onChange={(event) => choose(event.currentTarget.value)}>
            {hostChannels.map(({ name, label }) => (
              <option key={name} value={name}>
                {label} ({name})
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
    const stop = new AbortController()
    let monitor: Monitor | undefined
    let timer: ReturnType<typeof setTimeout>
    const onVisibility = () => monitor?.seen(document.visibilityState === 'visible')
    const open = async () => {
      try {
        const cursor = await begin(channel.name, stop.signal)
        if (cursor === undefined) {
          setPhase({ is: 'empty' })
          timer = setTimeout(open, 3000)
          return
        }
        monitor = current = new Monitor(channel.name, cursor)
        monitor.start()
        onVisibility()
        setPhase({ is: 'running', monitor })
      } catch (error) {
        if (stop.signal.aborted) return
        setPhase({ is: 'failed', why: (error as Error).message })
        timer = setTimeout(open, 5000)
      }
    }
    setPhase({ is: 'opening' })
    void open()
    document.addEventListener('visibilitychange', onVisibility)
    return () => {
      stop.abort()
      clearTimeout(timer)
      document.removeEventListener('visibilitychange', onVisibility)
      monitor?.stop()
      current = undefined
    }
  }, [channel])
  return phase
}

function Nothing({ phase, channel }: { phase: Phase; channel: string }) {
  return (
    <div class="nothing" role="status">
      {phase.is === 'opening' && <p>Reading {channel}…</p>}
      {phase.is === 'empty' && (
        <>
          <h2>{channel} has no entries</h2>
          <p>
            This server does not publish the metrics of its host: it was started with <code>--host-metrics=false</code>, or on an
            address that is open to all, where they are off unless asked for. Start it with <code>--host-metrics=true</code>. This
            page looks again every three seconds.
          </p>
        </>
      )}
      {phase.is === 'failed' && (
        <>
          <h2>{channel} cannot be read</h2>
          <p>{phase.why}. This page tries again every five seconds.</p>
        </>
      )}
    </div>
  )
}

const beat = 250

function Lanes({ monitor, channel }: { monitor: Monitor; channel: HostChannel }) {
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
            {channel.measures}
            {log.head && <small>{channel.detail(log.head.seen.data)}</small>}
          </span>
        </p>
        <Verdict monitor={monitor} now={now} />
        <button type="button" onClick={toggleAll}>
          {allCut ? 'Restore all' : 'Cut all'}
        </button>
      </div>
      <Starved count={lanes.filter((lane) => lane.starved(now) > 0).length} />
      <div class="lanes-head" aria-hidden="true">
        <span>Technique</span>
        <span>Last {span} entries</span>
        <span>Value</span>
        <span>Age</span>
        <span>Messages</span>
        <span>Requests</span>
        <span>Bytes</span>
        <span>Lost</span>
        <span>Repeated</span>
        <span>Out of order</span>
        <span />
      </div>
      <ul class="lanes">
        {lanes.map((lane) => {
          const toggle = () => {
            if (lane.isCut) lane.start()
            else lane.cut()
            tick()
          }
          return <LaneRow key={lane.technique.via} {...{ lane, log, channel, range, now, toggle }} />
        })}
      </ul>
      <Connections />
    </>
  )
}

function Verdict({ monitor: { lanes }, now }: { monitor: Monitor; now: number }) {
  const sum = (of: (lane: (typeof lanes)[number]) => number) => lanes.reduce((total, lane) => total + of(lane), 0)
  const cut = sum((lane) => (lane.isCut ? 1 : 0))
  const reading = sum((lane) => (!lane.isCut && lane.last && !lane.error && !lane.starved(now) ? 1 : 0))
  const clean = lanes.every((lane) => lane.clean)
  const faults = `lost ${number(sum((lane) => lane.checker.lost))}, repeated ${number(sum((lane) => lane.checker.repeated))}, out of order ${number(sum((lane) => lane.checker.outOfOrder))}`
  return (
    <p class="verdict" data-clean={clean} role="status">
      <strong>{clean ? 'All lanes agree on the log' : 'The lanes disagree'}</strong>
      <span>
        {reading} reading{cut > 0 && `, ${cut} cut`}: {faults}
      </span>
    </p>
  )
}

function Starved({ count }: { count: number }) {
  return (
    <div role="status">
      {count > 0 && (
        <p class="starved">
          <strong>{count === 1 ? 'One lane waits' : `${count} lanes wait`} for a free connection.</strong> Is this page open in
          another tab, or another stream of this server? Close that, or cut a streaming lane here.
        </p>
      )}
    </div>
  )
}

function Connections() {
  const shared = useMemo(sharesOneConnection, [])
  return (
    <div class="note">
      {shared ? (
        <p>This page came by HTTP/2 or later: all lanes share one connection, and the limit of six per host does not apply.</p>
      ) : (
        <p>
          Over HTTP/1.1 a browser opens six connections to a host, for all its tabs together: four streams and the long poll hold
          five, the two polling lanes take turns on the sixth, and WebSocket is not counted.
        </p>
      )}
      <p>
        Bytes are those of bodies, without headers, as near as a page can tell. The part of a line that was caught up after a cut is
        drawn in <span class="late">another colour</span>.
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
