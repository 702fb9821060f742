import { isTechnique, techniqueNames } from '../chat/line.tsx'
import { number } from '../format.ts'
import type { Colour } from './game.ts'
import type { Duel } from './main.tsx'
import { text } from './words.ts'

/** Who plays, and how long moves take. */
export function Side({ duel, another }: { duel: Duel; another(): void }) {
  const t = text()
  const here = playersOf(duel)
  const { black, white } = duel.game.players
  const watchers = here && [...here].filter((player) => player !== black && player !== white).length
  return (
    <aside class="chat-side">
      <section class="players">
        <h2>{t.game(duel.game.number)}</h2>
        <ul aria-label={t.players}>
          <Seat duel={duel} colour="black" here={here} />
          <Seat duel={duel} colour="white" here={here} />
        </ul>
        <p>{here ? watchers! > 0 && t.watchers(watchers!) : duel.status.state !== 'live' && t.unknown}</p>
        <button type="button" onClick={another}>
          {t.other}
        </button>
      </section>
      <RoundsTable duel={duel} />
    </aside>
  )
}

/** The players' windows that are here, watchers among them; undefined: that is not known now. */
function playersOf({ members, status, isCut }: Duel): Set<string> | undefined {
  if (!members || isCut || status.state !== 'live') return undefined
  const players = members.map(({ data }) => (data as { player?: unknown } | undefined)?.player)
  return new Set(players.filter((player) => typeof player === 'string'))
}

function Seat({ duel, colour, here }: { duel: Duel; colour: Colour; here: Set<string> | undefined }) {
  const t = text()
  const player = duel.game.players[colour]
  return (
    <li>
      <span class="stone" data-stone={colour} aria-hidden="true" />
      <b>{colour === 'black' ? t.Black : t.White}</b>
      {player === undefined && <span>{t.free}</span>}
      {player === duel.player && <span>{t.you}</span>}
      {player !== undefined && player !== duel.player && here && <span>{here.has(player) ? t.here : t.away}</span>}
    </li>
  )
}

function RoundsTable({ duel: { rounds } }: { duel: Duel }) {
  const t = text()
  const rows = rounds.table()
  const name = (technique: string) => (isTechnique(technique) ? techniqueNames()[technique] : technique)
  const time = (ms: number) => `${number(ms, ms < 10 ? 1 : 0)} ms`
  return (
    <section class="rounds">
      <h2 id="rounds">{t.rounds}</h2>
      <p>{t.roundsLead}</p>
      {rows.length === 0 ? (
        <p>{t.noRounds}</p>
      ) : (
        <table aria-labelledby="rounds">
          <thead>
            <tr>
              <th scope="col">{t.technique}</th>
              <th scope="col">{t.moves}</th>
              <th scope="col">{t.median}</th>
            </tr>
          </thead>
          <tbody>
            {rows.map(({ technique, moves, median }) => (
              <tr key={technique}>
                <th scope="row">{name(technique)}</th>
                <td>{moves}</td>
                <td>{time(median)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {rounds.last && <p>{t.last(name(rounds.last.technique), time(rounds.last.ms))}</p>}
    </section>
  )
}
