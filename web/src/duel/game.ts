import type { Entry } from 'pabal'

export const size = 13
const row5 = 5

export type Colour = 'black' | 'white'

/** A place on the board, counted from 0. */
export interface Place {
  row: number
  column: number
}

export interface Move extends Place {
  colour: Colour
}

/** The state of a room. It follows from the log alone: whoever reads it has the same. */
export interface Game {
  /** Who plays, by the random ID that their window has: black and white of this game. */
  players: { [C in Colour]?: string }
  moves: Move[]
  /** The five, or more, that have won. */
  line: Place[]
  /** Which game of this room it is, from 1. */
  number: number
}

/** What is published, under the type of that name. */
export type Act = { type: 'join' | 'new'; player: string } | ({ type: 'move'; player: string } & Place)

export const newGame: Game = { players: {}, moves: [], line: [], number: 1 }

export const turnOf = ({ moves }: Game): Colour => (moves.length % 2 === 0 ? 'black' : 'white')

export const isOver = ({ line, moves }: Game): boolean => line.length > 0 || moves.length === size * size

export const winnerOf = ({ line, moves }: Game): Colour | undefined => (line.length ? moves.at(-1)!.colour : undefined)

export const colourOf = ({ players }: Game, player: string): Colour | undefined =>
  players.black === player ? 'black' : players.white === player ? 'white' : undefined

export const hasBegun = ({ players }: Game): boolean => players.black !== undefined && players.white !== undefined

export function stoneAt(game: Game, { row, column }: Place): Colour | undefined {
  return game.moves.find((move) => move.row === row && move.column === column)?.colour
}

/** The next entry of the log. What is not allowed then is as if it were not there: anybody may publish anything. */
export function step(game: Game, { type, data }: Pick<Entry, 'type' | 'data'>): Game {
  const act = { ...(data as object), type } as Act
  return isAllowed(game, act) ? played(game, act) : game
}

export function isAllowed(game: Game, act: Act): boolean {
  const { player } = act
  if (typeof player !== 'string' || !player) return false
  const colour = colourOf(game, player)
  switch (act.type) {
    case 'join':
      return colour === undefined && !hasBegun(game)
    case 'new':
      return colour !== undefined && isOver(game)
    case 'move':
      return hasBegun(game) && !isOver(game) && colour === turnOf(game) && isOnBoard(act) && stoneAt(game, act) === undefined
    default:
      return false
  }
}

function played(game: Game, act: Act): Game {
  const { black, white } = game.players
  switch (act.type) {
    case 'join':
      return { ...game, players: black === undefined ? { black: act.player } : { black, white: act.player } }
    case 'new': // who was second begins
      return { ...newGame, players: { black: white!, white: black! }, number: game.number + 1 }
    case 'move': {
      const move = { row: act.row, column: act.column, colour: turnOf(game) }
      const moves = [...game.moves, move]
      return { ...game, moves, line: lineThrough(moves, move) }
    }
  }
}

const isOnBoard = ({ row, column }: Place): boolean =>
  [row, column].every((n) => Number.isInteger(n) && n >= 0 && n < size)

/** The stones of one colour in a row with move: all of them, if they are five or more. */
function lineThrough(moves: Move[], move: Move): Place[] {
  const own = new Set(moves.filter(({ colour }) => colour === move.colour).map(({ row, column }) => `${row} ${column}`))
  for (const [down, right] of [[0, 1], [1, 0], [1, 1], [1, -1]] as const) {
    const line: Place[] = []
    const at = (n: number) => ({ row: move.row + n * down, column: move.column + n * right })
    let from = 0
    while (own.has(`${at(from - 1).row} ${at(from - 1).column}`)) from--
    for (let n = from; own.has(`${at(n).row} ${at(n).column}`); n++) line.push(at(n))
    if (line.length >= row5) return line
  }
  return []
}
