import { useState } from 'preact/hooks'
import { language } from '../shell/shell.tsx'
import { encode } from './link.ts'
import { names } from './names.ts'
import { about, bytes, count, ms, size } from './units.ts'
import { verdict, type Fate, type Run, type Way } from './verdict.ts'
import { verdictText } from './verdictwords.ts'

interface Props {
  run: Run
  readers: number
  /** It came by a link: nothing of it was measured here. */
  shared: boolean
  seconds: number
  measure: () => void
}

export function VerdictPanel({ run, readers, shared, seconds, measure }: Props) {
  const t = verdictText()
  const { use, why, otherwise, ways } = verdict(run.ways, run.rate, run.payload, readers)
  const facts = (via: Way['via'] | undefined) => factsOf(ways.find((way) => way.via === via), run, readers)
  const when = new Date(run.at).toLocaleString(language(), { dateStyle: 'long', timeStyle: 'short' })
  return (
    <section class="lab-verdict" aria-labelledby="verdict" data-shared={shared || undefined}>
      <p class="verdict-when">{shared ? t.shared(when) : t.measured(when)}</p>
      <p class="verdict-title">{t.title}</p>
      <h2 id="verdict" tabIndex={-1}>
        {use ? t.use(names()[use]) : t.none}
      </h2>
      <p class="verdict-for">{t.from(count(run.rate), size(run.payload), count(readers))}</p>
      <p class="verdict-why">{t.why[why](facts(use))}</p>
      <div class="verdict-else">
        <h3>{t.otherwise}</h3>
        <ul>
          {otherwise.map(({ when, use }) => (
            <li key={when}>{t.when[when](facts(use))}</li>
          ))}
          <li>{t.elsewhere}</li>
        </ul>
      </div>
      <h3 class="verdict-caption" id="verdict-table">
        {t.table(count(readers))}
      </h3>
      <Table ways={ways} use={use} />
      <div class="verdict-bar">
        {shared && (
          <button type="button" class="button" onClick={measure}>
            {t.here(seconds)}
          </button>
        )}
        <CopyLink run={run} readers={readers} />
      </div>
      <p class="lab-note">
        {t.late} {t.ofBodies} {run.road === 'h1' && t.shifts}
      </p>
    </section>
  )
}

function factsOf(way: Way | undefined, run: Run, readers: number) {
  return {
    name: way ? names()[way.via] : '',
    p50: ms(way?.p50),
    bytes: way?.bytesPerEntry === undefined ? '–' : bytes(way.bytesPerEntry),
    requests: about(way?.requestsPerSecond ?? 0),
    connections: count(way?.connections ?? 0),
    rate: count(run.rate),
    payload: size(run.payload),
    readers: count(readers),
  }
}

const marks: Record<Fate, string> = { works: '✓', cut: '✂', buffered: '⧗', failed: '✕' }

function Table({ ways, use }: { ways: Way[]; use: string | undefined }) {
  const t = verdictText()
  const heads = [t.fate, t.came, 'p50', 'p99', t.perEntry, t.perSecond, t.connections, t.traffic, t.faults]
  return (
    <div class="verdict-table" role="region" aria-labelledby="verdict-table" tabIndex={0}>
      <table aria-labelledby="verdict-table">
        <thead>
          <tr>
            <th scope="col">{t.way}</th>
            {heads.map((head) => (
              <th key={head} scope="col">
                {head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {ways.map((way) => (
            <tr key={way.via} data-via={way.via} data-fate={way.fate} data-use={way.via === use || undefined}>
              <th scope="row">{names()[way.via]}</th>
              {cells(way).map((cell, i) => (
                <td key={heads[i]}>{cell}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

function cells(way: Way) {
  const t = verdictText()
  return [
    <span class="fate" key="fate">
      <span aria-hidden="true">{marks[way.fate]}</span> {t.fates[way.fate]}
    </span>,
    t.of(count(way.received), count(way.published)),
    ms(way.p50),
    ms(way.p99),
    way.bytesPerEntry === undefined ? '–' : bytes(way.bytesPerEntry),
    about(way.requestsPerSecond),
    count(way.connections),
    way.bytesPerSecond === undefined ? '–' : `${bytes(way.bytesPerSecond)}/s`,
    `${way.lost}, ${way.repeated}, ${way.outOfOrder}`,
  ]
}

function CopyLink({ run, readers }: { run: Run; readers: number }) {
  const t = verdictText()
  const [said, say] = useState('')
  const copy = async () => {
    const url = new URL(location.href)
    url.hash = encode({ run, readers })
    history.replaceState(history.state, '', url)
    try {
      await navigator.clipboard.writeText(url.href)
      say(t.copied)
    } catch {
      say(t.notCopied) // the browser does not let the page; its address bar has the link
    }
  }
  return (
    <>
      <button type="button" onClick={() => void copy()}>
        {t.copy}
      </button>
      <span role="status">{said}</span>
    </>
  )
}
