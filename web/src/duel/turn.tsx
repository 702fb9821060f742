import { colourOf, hasBegun, isAllowed, isOver, turnOf, winnerOf } from './game.ts'
import type { Duel } from './main.tsx'
import { text } from './words.ts'

/** Whose turn it is, what happened last, and what can be done beside a move. */
export function Turn({ duel }: { duel: Duel }) {
  const t = text()
  const { game, player, told, pending } = duel
  const live = duel.status.state === 'live' && !duel.isCut
  const canAct = live && !pending
  const last = game.moves.at(-1)
  const join = { type: 'join', player } as const
  const again = { type: 'new', player } as const
  return (
    <div class="turn">
      <div class="turn-text" role="status">
        <p>
          {!live && t.asRead} <strong>{situation(duel)}</strong>{' '}
          {last && t.lastMove(last.colour, t.place(last.row + 1, last.column + 1))}{' '}
          {hasBegun(game) && !colourOf(game, player) && t.watching}
        </p>
        {pending && <p>{t.pending}</p>}
        {told && <p class="error">{'late' in told ? t.late : t.refused(told.refused)}</p>}
        {duel.unreadable && <p class="error">{t.unreadable(duel.unreadable)}</p>}
      </div>
      {isAllowed(game, join) && (
        <button type="button" class="button" disabled={!canAct} onClick={() => duel.act(join)}>
          {t.join}
        </button>
      )}
      {isAllowed(game, again) && (
        <button type="button" class="button" disabled={!canAct} title={t.againHint} onClick={() => duel.act(again)}>
          {t.again}
        </button>
      )}
    </div>
  )
}

function situation({ game, player }: Duel): string {
  const t = text()
  const own = colourOf(game, player)
  const winner = winnerOf(game)
  if (winner) return winner === own ? t.youWon : t.won(winner)
  if (isOver(game)) return t.draw
  if (!hasBegun(game)) return own ? t.needOther : t.seats
  return turnOf(game) === own ? t.yourTurn : t.turn(turnOf(game))
}
