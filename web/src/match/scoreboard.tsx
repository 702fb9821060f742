import { language } from '../shell/shell.tsx'
import type { Match, Moment } from './match.ts'
import { minuteOf, type Side } from './play.ts'
import { text } from './words.ts'

/** What a team is called, in the language of the page. */
export function nameOf({ teams }: Match, side: Side): string {
  return teams?.[side][language()] ?? text()[side]
}

/** The score at the moment that is shown. */
export function Scoreboard({ match, moment, live }: { match: Match; moment: Moment; live: boolean }) {
  const t = text()
  const { score, phase, last } = moment
  const now = phase === 'playing' ? t.playing(minuteOf(last)) : t[phase]
  return (
    <div class="score" data-live={live}>
      <p class="score-team">
        <span class="side side-home" aria-hidden="true" />
        {nameOf(match, 'home')}
      </p>
      <p class="score-goals">
        <span>{score.home}</span>
        <span aria-hidden="true">:</span>
        <span>{score.away}</span>
      </p>
      <p class="score-team score-away">
        {nameOf(match, 'away')}
        <span class="side side-away" aria-hidden="true" />
      </p>
      <p class="score-phase">{live ? now : t.then(minuteOf(last))}</p>
    </div>
  )
}
