import { language } from '../shell/shell.tsx'
import type { Line, Match, Moment } from './match.ts'
import { minuteOf, type Play } from './play.ts'
import { nameOf } from './scoreboard.tsx'
import { text } from './words.ts'

/** What was said up to the moment that is shown, the newest on top. What was corrected stands where it was said. */
export function Commentary({ match, moment, live }: { match: Match; moment: Moment; live: boolean }) {
  const t = text()
  return (
    <section class="commentary" aria-labelledby="commentary-title">
      <h2 id="commentary-title">{t.commentary}</h2>
      <Headline match={match} upTo={moment.upTo} live={live} />
      {/* It scrolls, so that who watches stays in sight: the keyboard needs to get there. */}
      <ol class="lines" tabIndex={0} aria-labelledby="commentary-title">
        {moment.lines.map((line) => (
          <Row key={line.id} match={match} line={line} />
        ))}
      </ol>
    </section>
  )
}

const worth = new Set(['goal', 'red', 'penalty', 'half', 'full', 'restart', 'correction'])

/** The last thing that is worth interrupting for, which screen readers read out when they have time. */
function Headline({ match, upTo, live }: { match: Match; upTo: number; live: boolean }) {
  const t = text()
  const last = match.told.slice(0, upTo).findLast(({ play }) => worth.has(play.kind))?.play
  const corrected = last?.of && match.told.find(({ id }) => id === last.of)?.play
  const what = corrected ? t.correctionTo(minuteOf(corrected)) : last && `${minuteOf(last)} ${t.kinds[last.kind] ?? ''}`
  return (
    <p class="headline" role="status" aria-live={live ? 'polite' : 'off'} data-kind={last?.becomes ?? last?.kind}>
      {last && (
        <>
          <strong>{what}</strong> {last.text[language()]}
        </>
      )}
    </p>
  )
}

function Row({ match, line: { id, play, correction } }: { match: Match; line: Line }) {
  const t = text()
  const now = correction ?? play
  const kind = correction?.becomes ?? play.kind
  return (
    <li class="line" data-id={id} data-kind={kind} data-team={now.team} data-corrected={correction ? true : undefined}>
      <span class="line-minute">{play.minute > 0 && minuteOf(play)}</span>
      <div>
        {(t.kinds[kind] || now.team) && (
          <p class="line-kind">
            {now.team && <span class={`side side-${now.team}`} title={nameOf(match, now.team)} />}
            {t.kinds[kind] && <strong>{t.kinds[kind]}</strong>}
            {now.team && <span>{nameOf(match, now.team)}</span>}
          </p>
        )}
        {correction ? <Corrected play={play} correction={correction} /> : <p class="line-text">{play.text[language()]}</p>}
      </div>
    </li>
  )
}

function Corrected({ play, correction }: { play: Play; correction: Play }) {
  const t = text()
  return (
    <>
      <p class="line-was">
        <span class="visually-hidden">{t.wasSaid} </span>
        <del>{play.text[language()]}</del>
      </p>
      <p class="line-text">
        <ins>{correction.text[language()]}</ins>
      </p>
      <p class="line-note">{t.corrected(minuteOf(correction))}</p>
    </>
  )
}
