import { useRef, useState } from 'preact/hooks'
import { isAllowed, size, stoneAt, type Place } from './game.ts'
import type { Duel } from './main.tsx'
import { text } from './words.ts'

const numbers = Array.from({ length: size }, (_, n) => n)
const middle = (size - 1) / 2
const steps: Record<string, [down: number, right: number]> = {
  ArrowUp: [-1, 0],
  ArrowDown: [1, 0],
  ArrowLeft: [0, -1],
  ArrowRight: [0, 1],
  Home: [0, -size],
  End: [0, size],
  PageUp: [-size, 0],
  PageDown: [size, 0],
}
const onBoard = (n: number) => Math.max(0, Math.min(size - 1, n))

/** The board: one stop for the tab key, arrow keys within, Enter sets a stone. */
export function Board({ duel }: { duel: Duel }) {
  const t = text()
  const grid = useRef<HTMLDivElement>(null)
  const [at, setAt] = useState<Place>({ row: middle, column: middle })
  const go = (event: KeyboardEvent) => {
    const by = steps[event.key]
    if (!by || event.ctrlKey || event.altKey || event.metaKey) return
    event.preventDefault()
    const next = { row: onBoard(at.row + by[0]), column: onBoard(at.column + by[1]) }
    setAt(next)
    grid.current!.querySelectorAll('button')[next.row * size + next.column]!.focus()
  }
  return (
    <div class="board" role="grid" aria-label={t.board} ref={grid} onKeyDown={go}>
      {numbers.map((row) => (
        <div key={row} class="board-row" role="row">
          {numbers.map((column) => (
            <Cell key={column} {...{ duel, row, column }} isStop={at.row === row && at.column === column} take={setAt} />
          ))}
        </div>
      ))}
    </div>
  )
}

interface CellProps extends Place {
  duel: Duel
  isStop: boolean
  take(place: Place): void
}

function Cell({ duel, row, column, isStop, take }: CellProps) {
  const t = text()
  const { game, player, pending, status, isCut } = duel
  const place = { row, column }
  const isAt = (other: Place | undefined) => other?.row === row && other.column === column
  const stone = stoneAt(game, place)
  const wins = game.line.some(isAt)
  const isLast = isAt(game.moves.at(-1))
  const isPending = pending?.act.type === 'move' && isAt(pending.act)
  const move = { type: 'move', player, row, column } as const
  const canMove = status.state === 'live' && !isCut && !pending && isAllowed(game, move)
  const marks = [wins && t.isWinning, isLast && t.isLast, isPending && t.isPending].filter(Boolean)
  return (
    <div role="gridcell">
      <button
        type="button"
        tabIndex={isStop ? 0 : -1}
        aria-label={[t.place(row + 1, column + 1), stone ? t[stone] : t.empty, ...marks].join(', ')}
        aria-disabled={!canMove}
        data-stone={stone ?? (isPending ? 'pending' : undefined)}
        data-last={isLast}
        data-wins={wins}
        onFocus={() => take(place)}
        onClick={() => canMove && duel.act(move)}
      />
    </div>
  )
}
