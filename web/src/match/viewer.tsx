import type { Status, Technique } from 'pabal'
import { useState } from 'preact/hooks'
import { number } from '../format.ts'
import type { Order } from './order.ts'
import { techniqueNames, text } from './words.ts'

/** What one can watch as. The first that works is what the page begins with. */
export const techniques: Technique[] = ['websocket', 'sse', 'stream', 'eventsource', 'longpoll', 'poll']

interface Props {
  status: Status
  order: Order
  /** How long after it was published the last play was here, in milliseconds; undefined: none came yet. */
  lag: number | undefined
  /** Has the page read by another technique; without one, by whatever is best. */
  watchAs: (technique?: Technique) => Promise<void>
}

/** How this page itself reads. */
export function Viewer({ status, order, lag, watchAs }: Props) {
  const t = text()
  const [chosen, choose] = useState<Technique | ''>('')
  const [refused, setRefused] = useState<{ technique: string; why: string }>()
  const change = (technique: Technique | '') => {
    choose(technique)
    setRefused(undefined)
    watchAs(technique || undefined).catch((error: Error) => {
      setRefused({ technique: techniqueNames[technique] ?? t.auto, why: error.message })
    })
  }
  return (
    <section class="card panel" aria-labelledby="viewer-title">
      <h2 id="viewer-title">{t.viewer}</h2>
      <label class="field">
        <span>{t.watchAs}</span>
        <select value={chosen} onChange={(event) => change(event.currentTarget.value as Technique | '')}>
          <option value="">{t.auto}</option>
          {techniques.map((technique) => (
            <option key={technique} value={technique}>
              {techniqueNames[technique]}
            </option>
          ))}
        </select>
      </label>
      <p role="status" class="error">
        {refused && t.cannot(refused.technique, refused.why)}
      </p>
      <dl class="figures">
        <Figure name={t.technique} wide>
          <span class="dot" data-state={status.state} aria-hidden="true" />
          <span data-technique={status.technique}>{techniqueNames[status.technique ?? ''] ?? '–'}</span> ·{' '}
          {t.state[status.state]}
          {status.reason && status.state !== 'live' && <small>{status.reason}</small>}
        </Figure>
        <Figure name={t.lag}>{lag === undefined ? '–' : t.ms(number(lag))}</Figure>
        <Figure name={t.read}>{number(order.read)}</Figure>
        <Figure name={t.lost} bad={order.lost > 0}>
          {number(order.lost)}
        </Figure>
        <Figure name={t.repeated} bad={order.repeated > 0}>
          {number(order.repeated)}
        </Figure>
      </dl>
      <p class="panel-note">{t.lagNote}</p>
    </section>
  )
}

interface FigureProps {
  name: string
  wide?: boolean
  bad?: boolean
  children: preact.ComponentChildren
}

export function Figure({ name, wide, bad, children }: FigureProps) {
  return (
    <div class="figure" data-wide={wide} data-bad={bad || undefined}>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  )
}
