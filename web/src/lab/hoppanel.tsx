import { Canvas, type Drawing } from './canvas.tsx'
import type { Hop } from './hop.ts'
import { words } from '../shell/shell.tsx'
import { Fault, spanTo } from './lanerow.tsx'
import { names } from './names.ts'
import { all } from './shifts.ts'
import { count } from './units.ts'

const text = words({
  en: {
    title: 'Hop',
    lead:
      'One more reader, by the client that any page can use. Have it go from any technique to any other, in the ' +
      'middle of everything: the new way reads on from the cursor before the old one is let go. Count what is lost.',
    start: 'Start the reader',
    stop: 'Stop',
    every: 'Hop every second',
    to: (name: string) => `Hop to ${name}`,
    reads: (name: string) => `Reads by ${name}.`,
    going: (name: string) => `On its way to ${name}.`,
    connecting: 'Connects.',
    stopped: 'Not started.',
    measuring: 'It rests while the lanes are measured.',
    failed: (name: string, why: string) => `It could not go to ${name} and stayed where it was: ${why}`,
    published: 'Published',
    received: 'Received',
    hops: 'Hops',
    lost: 'Lost',
    repeated: 'Repeated',
    outOfOrder: 'Out of order',
    picture: (path: string) => `By what it has read in the last 20 seconds: ${path}.`,
    nothing: 'nothing',
  },
  ko: {
    title: '갈아타기',
    lead:
      '어느 페이지나 쓸 수 있는 클라이언트로 읽는 독자가 하나 더 있습니다. 한창 읽는 중에 어느 기법에서 어느 기법으로든 옮겨 보세요. 새 길이 커서부터 이어 읽은 다음에야 옛 길을 놓습니다. 무엇을 ' +
      '잃는지 세어 보세요.',
    start: '읽기 시작',
    stop: '멈추기',
    every: '1초마다 갈아타기',
    to: (name) => `${name}: 이것으로 갈아타기`,
    reads: (name) => `지금 읽는 방법: ${name}.`,
    going: (name) => `옮겨 가는 중: ${name}.`,
    connecting: '연결하는 중입니다.',
    stopped: '시작하지 않았습니다.',
    measuring: '재는 동안에는 쉽니다.',
    failed: (name, why) => `${name}: 옮겨 가지 못하고 있던 곳에 남았습니다. ${why}`,
    published: '올림',
    received: '받음',
    hops: '갈아탄 수',
    lost: '잃음',
    repeated: '겹침',
    outOfOrder: '순서 바뀜',
    picture: (path) => `지난 20초 동안 읽은 방법: ${path}.`,
    nothing: '없음',
  },
})

const rowHeight = 30
const seconds = 20

interface Props {
  hop: Hop
  /** Where it reads. */
  url: string
  busy: boolean
}

export function HopPanel({ hop, url, busy }: Props) {
  const t = text()
  return (
    <section class="lab-hop" aria-labelledby="hop">
      <div class="lab-head">
        <h2 id="hop">{t.title}</h2>
        <p>{t.lead}</p>
      </div>
      <div class="hop-bar">
        {hop.runs ? (
          <button type="button" onClick={() => hop.stop()}>
            {t.stop}
          </button>
        ) : (
          <button type="button" class="button" disabled={busy} onClick={() => hop.start(url)}>
            {t.start}
          </button>
        )}
        <label class="lab-check">
          <input
            type="checkbox"
            role="switch"
            checked={hop.everySecond}
            disabled={!hop.runs}
            onChange={(event) => hop.everyOneSecond(event.currentTarget.checked)}
          />
          <span>{t.every}</span>
        </label>
        <p class="hop-state" role="status">
          {state(hop, busy)}
        </p>
      </div>
      <div class="hop-roll">
        <div class="hop-keys">
          {all.map((via) => (
            <button
              key={via}
              type="button"
              aria-label={t.to(names()[via])}
              aria-pressed={hop.via === via}
              disabled={!hop.runs}
              data-going={hop.going === via || undefined}
              onClick={() => void hop.to(via)}
            >
              {names()[via]}
            </button>
          ))}
        </div>
        <Canvas draw={roll(hop)} label={t.picture(path(hop) || t.nothing)} tall={rowHeight * all.length} />
      </div>
      <dl class="hop-numbers">
        {(
          [
            [t.published, hop.publisher.kept],
            [t.received, hop.checker.received],
            [t.hops, hop.hops],
          ] as const
        ).map(([name, value]) => (
          <div class="figure" key={name}>
            <dt>{name}</dt>
            <dd>{count(value)}</dd>
          </div>
        ))}
        <Fault name={t.lost} count={hop.checker.lost} />
        <Fault name={t.repeated} count={hop.checker.repeated} />
        <Fault name={t.outOfOrder} count={hop.checker.outOfOrder} />
      </dl>
    </section>
  )
}

function state(hop: Hop, busy: boolean): string {
  const t = text()
  if (!hop.runs) return hop.publisher.refused?.message ?? (busy ? t.measuring : t.stopped)
  if (hop.failed) return t.failed(names()[hop.failed.via], hop.failed.why)
  if (hop.everySecond) return '' // it would be too much to hear
  if (hop.going) return t.going(names()[hop.going])
  return hop.via ? t.reads(names()[hop.via]) : t.connecting
}

function path(hop: Hop): string {
  const recent = hop.steps.filter(({ at, via }) => via && at > hop.now - 1000 * seconds).map(({ via }) => names()[via!])
  return (recent.length ? recent : hop.via ? [names()[hop.via]] : []).join(', ')
}

/** A row for each technique: the line is the reader, a dot an entry that came. */
function roll(hop: Hop): Drawing {
  return ({ context: c, width, height, paint, steady }) => {
    const { from, to } = spanTo(hop.now, seconds, steady)
    const x = (at: number) => ((at - from) / (to - from)) * (width - 6)
    const y = (via: string) => (all.indexOf(via as never) + 0.5) * rowHeight
    c.clearRect(0, 0, width, height)
    c.lineCap = c.lineJoin = 'round'
    c.fillStyle = paint.line
    for (const via of all) c.fillRect(0, y(via), width, 1)
    c.beginPath()
    let drawing = false
    hop.steps.forEach(({ at, via }, i) => {
      const end = Math.min(to, hop.steps[i + 1]?.at ?? to)
      if (!via || end < from) return (drawing = false)
      if (drawing) c.lineTo(x(at), y(via))
      else c.moveTo(Math.max(0, x(at)), y(via))
      c.lineTo(x(end), y(via))
      drawing = true
    })
    c.strokeStyle = paint.accent
    c.globalAlpha = 0.4
    c.lineWidth = 2
    c.stroke()
    c.globalAlpha = 1
    c.fillStyle = paint.accent
    for (const { at, via } of hop.arrived) {
      if (at < from || at > to) continue
      c.beginPath()
      c.arc(x(at), y(via), 3.5, 0, 2 * Math.PI)
      c.fill()
    }
  }
}
