import type { Lab } from './lab.ts'
import { Slider } from './slider.tsx'
import { count, crowds, ms, payloads, rates, size } from './units.ts'
import { text } from './words.ts'

const spans = [1, 3, 6, 15, 30]

interface Props {
  lab: Lab
  seconds: number
  readers: number
  setReaders: (readers: number) => void
  span: number
  setSpan: (seconds: number) => void
  measure: () => void
  renderAnew: () => void
}

export function Controls({ lab, seconds, readers, setReaders, span, setSpan, measure, renderAnew }: Props) {
  const t = text()
  const busy = lab.phase === 'measuring'
  const runs = busy || lab.phase === 'live'
  const { rate, payload } = lab.pace
  const set = (change: Partial<Lab['pace']>) => {
    Object.assign(lab.pace, change)
    renderAnew()
  }
  return (
    <section class="lab-controls" aria-label={t.controls}>
      <div class="lab-sliders">
        <Slider label={t.rate} values={rates} value={rate} show={count} disabled={busy} set={(rate) => set({ rate })} />
        <Slider
          label={t.payload}
          values={payloads}
          value={payload}
          show={size}
          disabled={busy}
          set={(payload) => set({ payload })}
        />
        <Slider label={t.readers} values={crowds} value={readers} show={count} set={setReaders} />
        <Slider label={t.span} values={spans} value={span} show={t.seconds} set={setSpan} />
      </div>
      <div class="lab-go">
        <button type="button" class="button" disabled={busy} onClick={measure}>
          {lab.run ? t.again(seconds) : t.measure(seconds)}
        </button>
        <button type="button" onClick={() => void (runs ? lab.stop() : lab.live())}>
          {runs ? t.stop : lab.probes.size ? t.go : t.start}
        </button>
        <Status lab={lab} />
        {lab.groups.length > 1 && <Shifts lab={lab} busy={busy} />}
        <Bar lab={lab} />
      </div>
      <p class="lab-note">{lab.road === 'h2' ? t.h2 : t.h1}</p>
      {lab.queued > 0 && runs && (
        <p class="lab-warning" role="alert">
          {t.queued(ms(Math.round(lab.queued / 500) * 500))}
        </p>
      )}
    </section>
  )
}

function Status({ lab }: { lab: Lab }) {
  const t = text()
  const { progress, phase } = lab
  const why = lab.error ?? lab.publisher.refused?.message
  const unheard = lab.publisher.error?.message
  const left = progress ? Math.max(0, Math.ceil((progress.begun + progress.ms - performance.now()) / 5000) * 5) : 0
  const begun = phase !== 'still' || lab.probes.size > 0
  const measuring = progress && (progress.draining ? t.draining : t.measuring(progress.group + 1, progress.of, left))
  return (
    <p class={why || unheard ? 'lab-status error' : 'lab-status'} role="status">
      {why ? t.failed(why) : unheard ? t.unheard(unheard) : measuring || t[begun ? phase : 'unbegun']}
    </p>
  )
}

/** How far the measurement is. What it says in words is in the status beside it. */
function Bar({ lab }: { lab: Lab }) {
  const { progress } = lab
  if (!progress) return null
  const part = Math.min(1, (performance.now() - progress.begun) / progress.ms)
  return <div class="lab-bar" aria-hidden="true" style={{ '--part': `${(100 * (progress.group + part)) / progress.of}%` }} />
}

function Shifts({ lab, busy }: { lab: Lab; busy: boolean }) {
  const t = text()
  return (
    <fieldset class="lab-shifts" disabled={busy}>
      <legend>{t.shift}</legend>
      {t.shifts.map((name, i) => (
        <label key={name}>
          <input type="radio" name="shift" checked={lab.group === i} onChange={() => void lab.live(i)} />
          <span>{name}</span>
        </label>
      ))}
    </fieldset>
  )
}
