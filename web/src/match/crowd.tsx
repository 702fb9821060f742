import { useState } from 'preact/hooks'
import { number } from '../format.ts'
import { Chart } from './chart.tsx'
import { setCrowd, setSpeed, sliderSteps, stepOf, vias, viewersAt, type Dev, type Via } from './dev.ts'
import { kept, type Engine } from './engine.ts'
import { Figure } from './viewer.tsx'
import { techniqueNames, text } from './words.ts'

/** What the engine does, and the crowd that it can send: there in development mode only. */
export function Crowd({ engine }: { engine: Engine }) {
  const t = text()
  const { dev, error } = engine
  return (
    <section class="card panel" aria-labelledby="crowd-title">
      <h2 id="crowd-title">{t.crowd}</h2>
      {typeof dev === 'string' && <p>{t[dev]}</p>}
      {typeof dev === 'object' && <Controls dev={dev} engine={engine} />}
      <p role="status" class="error">
        {error && t.gone(error)}
      </p>
    </section>
  )
}

const speeds = [1, 5, 20]

function Controls({ dev, engine }: { dev: Dev; engine: Engine }) {
  const t = text()
  const { match } = dev
  return (
    <>
      <p class="panel-note">{t.crowdLead}</p>
      <Slider dev={dev} engine={engine} />
      <p class="watching">
        {dev.wanted + dev.viewers > 0 ? t.watching(number(dev.viewers), number(dev.wanted)) : t.nobody}
      </p>
      {dev.trouble && <p class="error">{dev.trouble}</p>}
      <Figures dev={dev} />
      {engine.samples.some(({ lag }) => lag) && <Chart samples={engine.samples} label={t.chart(kept)} />}
      <div class="engine">
        <p class={match.error ? 'error' : undefined}>{match.error ? t.stands(match.error) : t.engine[match.phase]}</p>
        <label class="field">
          <span>{t.speed}</span>
          <select value={match.speed} onChange={(event) => void engine.act(setSpeed(Number(event.currentTarget.value)))}>
            {[...new Set([...speeds, match.speed])].map((speed) => (
              <option key={speed} value={speed}>
                {t.times(speed)}
              </option>
            ))}
          </select>
        </label>
      </div>
    </>
  )
}

/** How many viewers, and by what. While it is dragged it shows where it is, else what the server says. */
function Slider({ dev, engine }: { dev: Dev; engine: Engine }) {
  const t = text()
  const { wanted, most, via } = dev
  const [dragged, drag] = useState<number>()
  const [next, choose] = useState<Via>(via)
  const by = wanted > 0 ? via : next
  const viewers = dragged === undefined ? wanted : viewersAt(dragged, most)
  const set = (viewers: number, via: Via) => void engine.act(setCrowd(viewers, via)).then(() => drag(undefined))
  return (
    <div class="crowd-controls">
      <label class="field crowd-slider">
        <span>
          {t.wanted}: <output>{number(viewers)}</output>
        </span>
        <input
          type="range"
          aria-label={t.wanted}
          min={0}
          max={sliderSteps}
          value={dragged ?? stepOf(wanted, most)}
          aria-valuetext={number(viewers)}
          onInput={(event) => drag(Number(event.currentTarget.value))}
          onChange={(event) => set(viewersAt(Number(event.currentTarget.value), most), by)}
        />
      </label>
      <label class="field">
        <span>{t.readBy}</span>
        <select
          value={by}
          onChange={(event) => {
            choose(event.currentTarget.value as Via)
            if (wanted > 0) set(wanted, event.currentTarget.value as Via)
          }}
        >
          {vias.map((via) => (
            <option key={via} value={via}>
              {techniqueNames[via]}
            </option>
          ))}
        </select>
      </label>
      <button type="button" aria-disabled={wanted === 0} onClick={() => set(0, by)}>
        {t.all}
      </button>
    </div>
  )
}

function Figures({ dev: { lag, read, lost, repeated } }: { dev: Dev }) {
  const t = text()
  const ms = (value: number | undefined) => (value === undefined ? '–' : t.ms(number(value, value < 10 ? 1 : 0)))
  return (
    <dl class="figures">
      {(['p50', 'p90', 'p99', 'max'] as const).map((name) => (
        <Figure key={name} name={t[name]}>
          {ms(lag?.[name])}
        </Figure>
      ))}
      <Figure name={t.delivered} wide>
        {number(read)}
      </Figure>
      <Figure name={t.lost} bad={lost > 0}>
        {number(lost)}
      </Figure>
      <Figure name={t.repeated} bad={repeated > 0}>
        {number(repeated)}
      </Figure>
    </dl>
  )
}
