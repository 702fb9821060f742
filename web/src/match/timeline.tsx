import { language } from '../shell/shell.tsx'
import { keyEvents, momentOf, type KeyEvent, type Match, type Moment } from './match.ts'
import { minuteOf } from './play.ts'
import { nameOf } from './scoreboard.tsx'
import { text } from './words.ts'

interface Props {
  match: Match
  moment: Moment
  live: boolean
  /** Shows the match when so many plays had been told; undefined: as it is now. */
  goTo: (upTo: number | undefined) => void
}

/** Where one goes back to see the match as it was, and forward again. */
export function Timeline({ match, moment, live, goTo }: Props) {
  const t = text()
  const all = match.told.length
  const events = keyEvents(match)
  const { last, score, upTo } = moment
  const standing = t.momentOf(minuteOf(last), nameOf(match, 'home'), `${score.home}:${score.away}`, nameOf(match, 'away'))
  const scrub = (to: number) => goTo(to >= all ? undefined : to)
  return (
    <div class="timeline">
      <div class="timeline-bar">
        <div class="timeline-track">
          <div class="timeline-marks" aria-hidden="true">
            {events.map(({ id, play, upTo }) => (
              <span key={id} class="mark" data-kind={play.becomes ?? play.kind} style={{ left: `${place(upTo, all)}%` }} />
            ))}
          </div>
          <input
            type="range"
            min={1}
            max={Math.max(all, 2)}
            value={upTo}
            aria-label={t.moment}
            aria-valuetext={standing}
            onInput={(event) => scrub(Number(event.currentTarget.value))}
          />
        </div>
        <button type="button" class="live-button" aria-disabled={live} onClick={() => goTo(undefined)}>
          <span class="dot" aria-hidden="true" />
          {live ? t.live : t.backToLive}
        </button>
      </div>
      {events.length > 0 && (
        <ul class="keys" aria-label={t.keys}>
          {events.map((event) => (
            <li key={event.id}>
              <Key match={match} event={event} here={!live && event.upTo === upTo} goTo={scrub} />
            </li>
          ))}
        </ul>
      )}
    </div>
  )
}

/** In percent of the track, as the thumb of the range stands. */
const place = (upTo: number, all: number) => (all < 2 ? 0 : (100 * (upTo - 1)) / (all - 1))

function Key({ match, event, here, goTo }: { match: Match; event: KeyEvent; here: boolean; goTo: (upTo: number) => void }) {
  const t = text()
  const { play, upTo } = event
  const { score } = momentOf(match, upTo).last
  const kind = play.becomes ?? play.kind
  return (
    <button
      type="button"
      class="key"
      data-kind={kind}
      aria-current={here ? 'true' : undefined}
      title={play.text[language()]}
      onClick={() => goTo(upTo)}
    >
      <span class="key-minute">{minuteOf(play)}</span>
      {play.of && kind !== 'disallowed' ? `${t.kinds.correction}: ${t.kinds[kind] ?? ''}` : (t.kinds[kind] ?? '')}
      {(kind === 'goal' || kind === 'disallowed') && ` ${score.home}:${score.away}`}
    </button>
  )
}
