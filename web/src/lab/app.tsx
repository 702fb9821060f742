import { useEffect, useRef, useState } from 'preact/hooks'
import { Controls } from './controls.tsx'
import { Experiments } from './experiments.tsx'
import { HopPanel } from './hoppanel.tsx'
import type { Hop } from './hop.ts'
import type { Lab } from './lab.ts'
import { LaneRow } from './lanerow.tsx'
import { Legend } from './legend.tsx'
import { decode, type Shared } from './link.ts'
import { PostsRow } from './postsrow.tsx'
import { all } from './shifts.ts'
import { snapshotOf, type Snapshot } from './snapshot.ts'
import { TroublePanel } from './troublepanel.tsx'
import { useLab } from './uselab.ts'
import { useTrouble } from './usetrouble.ts'
import { VerdictPanel } from './verdictpanel.tsx'
import { text } from './words.ts'

declare global {
  interface Window {
    /** Read only, for tests. */
    readonly lab?: { snapshot(): Snapshot | undefined }
  }
}

let current: { lab: Lab; hop: Hop } | undefined
const snapshot = () => current && snapshotOf(current.lab, current.hop)
Object.defineProperty(window, 'lab', { value: Object.freeze({ snapshot }) })

/** How long a measurement is, in seconds: `?seconds=`, else half a minute. */
const seconds = Math.min(600, Math.max(2, Number(new URLSearchParams(location.search).get('seconds')) || 30))

export function App() {
  const t = text()
  const [shared, setShared] = useShared()
  const [readers, setReaders] = useState(shared?.readers ?? 100)
  const [span, setSpan] = useState(6)
  // Who opens a link came for its verdict: nothing is measured before it is asked for.
  const { lab, hop, renderAnew } = useLab((lab) => shared ?? void lab.live())
  current = { lab, hop }
  useEffect(() => {
    if (shared) setReaders(shared.readers)
  }, [shared])
  const measure = () => {
    setShared(undefined)
    hop.stop()
    lab.run = undefined
    void lab.measure(seconds)
  }
  const run = shared?.run ?? lab.run
  useAnnounced(lab.run)
  const busy = lab.phase === 'measuring'
  const troubles = useTrouble(lab, () => {
    if (hop.runs) hop.start(lab.trouble.url)
    renderAnew()
  })
  return (
    <>
      <div class="lab-head">
        <h1>{t.title}</h1>
        <p class="lead">{t.lead}</p>
      </div>
      {shared && <Verdict run={shared.run} readers={readers} shared measure={measure} />}
      <Controls {...{ lab, seconds, readers, setReaders, span, setSpan, measure, renderAnew }} />
      {!shared && run && <Verdict run={run} readers={readers} shared={false} measure={measure} />}
      <section class="lab-lanes" aria-label={t.lanes}>
        <Experiments {...{ lab, troubles, busy, span, setSpan }} />
        <Legend />
        <ol class="lanes">
          <PostsRow lab={lab} span={span} />
          {all.map((via) => (
            <LaneRow key={via} lab={lab} via={via} span={span} />
          ))}
        </ol>
      </section>
      <p class="lab-note">
        {t.legendNote} {t.ofBodies}
      </p>
      <TroublePanel troubles={troubles} busy={busy} />
      <HopPanel hop={hop} url={lab.trouble.url} busy={busy} />
    </>
  )
}

function Verdict(props: Omit<Parameters<typeof VerdictPanel>[0], 'seconds'>) {
  return <VerdictPanel {...props} seconds={seconds} />
}

/** What the address holds, also if it changes while the page is open. */
function useShared(): [Shared | undefined, (shared: undefined) => void] {
  const [shared, setShared] = useState(() => decode(location.hash))
  useEffect(() => {
    const look = () => setShared(decode(location.hash))
    addEventListener('hashchange', look)
    return () => removeEventListener('hashchange', look)
  }, [])
  const forget = () => {
    setShared(undefined)
    if (location.hash) history.replaceState(history.state, '', location.pathname + location.search)
  }
  return [shared, forget]
}

/** A new verdict is gone to: for who does not see it appear. */
function useAnnounced(run: unknown): void {
  const before = useRef(run)
  useEffect(() => {
    if (run && run !== before.current) document.getElementById('verdict')?.focus()
    before.current = run
  }, [run])
}
