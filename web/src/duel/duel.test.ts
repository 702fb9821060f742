import { expect, test } from 'vitest'
import { colourOf, hasBegun, isOver, newGame, size, step, turnOf, winnerOf, type Act, type Game } from './game.ts'
import { median, Rounds } from './rounds.ts'

const play = (game: Game, ...acts: unknown[]): Game =>
  acts.reduce<Game>((now, act) => {
    const { type, ...data } = act as Act
    return step(now, { type, data })
  }, game)

const begun = play(newGame, { type: 'join', player: 'b' }, { type: 'join', player: 'w' })
const move = (player: string, row: number, column: number) => ({ type: 'move', player, row, column })

test('the first two who join play, others watch', () => {
  const game = play(begun, { type: 'join', player: 'x' }, { type: 'join', player: 'b' })
  expect(game.players).toEqual({ black: 'b', white: 'w' })
  expect([colourOf(game, 'b'), colourOf(game, 'x')]).toEqual(['black', undefined])
  expect([hasBegun(game), turnOf(game)]).toEqual([true, 'black'])
  expect(hasBegun(play(newGame, { type: 'join', player: 'b' }, { type: 'join', player: 'b' }))).toBe(false)
})

test.each([
  ['along a row', [0, 1]],
  ['down a column', [1, 0]],
  ['down and right', [1, 1]],
  ['down and left', [1, -1]],
] as const)('five %s win, in whatever order they were set', (_, [down, right]) => {
  for (const order of [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [0, 4, 1, 3, 2]]) {
    let game = begun
    for (const [turn, n] of order.entries()) {
      expect(isOver(game)).toBe(false)
      game = play(game, move('b', 4 + n * down, 6 + n * right), move('w', 12, turn * 2))
    }
    expect(winnerOf(game)).toBe('black')
    expect(game.line.length).toBe(5)
    expect(game.moves.length).toBe(9) // white's last came after the end
  }
})

test('white wins too, and at the edge; four do not; six do', () => {
  let game = begun
  for (let n = 0; n < 5; n++) game = play(game, move('b', n, n % 2), move('w', 12, 8 + n))
  expect([winnerOf(game), game.line.length]).toEqual(['white', 5])
  game = begun
  for (const n of [0, 1, 3, 4, 5]) game = play(game, move('b', 3, n), move('w', 9, 2 * n))
  expect(isOver(game)).toBe(false)
  game = play(game, move('b', 3, 2))
  expect([winnerOf(game), game.line.length]).toEqual(['black', 6])
})

test('what is not allowed is as if it were not there', () => {
  const game = play(begun, move('b', 6, 6))
  const nonsense = [
    move('b', 0, 0), // not the turn
    move('x', 0, 0), // no player
    move('w', 6, 6), // taken
    move('w', -1, 0),
    move('w', 0, size),
    move('w', 1.5, 0),
    { type: 'move', player: 'w', row: '1', column: 0 },
    { type: 'move', player: 'w' },
    { type: 'new', player: 'w' },
    { type: 'new', player: 'x' },
    { type: 'join', player: '' },
    { type: 'join' },
    { type: 'dance', player: 'w' },
    {},
  ]
  for (const act of nonsense) expect(play(game, act), JSON.stringify(act)).toBe(game)
  for (const data of [null, 'text', 7, ['move'], undefined]) expect(step(game, { type: 'move', data })).toBe(game)
  expect(step(game, { data: move('w', 0, 0) })).toBe(game) // the type is the entry's, whatever the data says
  expect(play(newGame, { type: 'join', player: 'b' }, move('b', 0, 0)).moves).toEqual([]) // alone
})

test('of two moves at the same turn the log has one first, and that counts', () => {
  const game = play(begun, move('b', 6, 6), move('b', 7, 7))
  expect(game.moves).toEqual([{ row: 6, column: 6, colour: 'black' }])
})

test('a new game begins when one is over, and the other begins it', () => {
  let game = begun
  for (let n = 0; n < 5; n++) game = play(game, move('b', 0, n), move('w', 1, n))
  game = play(game, { type: 'new', player: 'x' })
  expect(isOver(game)).toBe(true)
  game = play(game, { type: 'new', player: 'b' }, { type: 'new', player: 'w' })
  expect(game).toEqual({ players: { black: 'w', white: 'b' }, moves: [], line: [], number: 2 })
  expect(play(game, move('w', 0, 0)).moves.length).toBe(1)
})

test('a full board without five is a draw', () => {
  let game = begun
  // Stripes of two columns that change with each row: no five of a colour are in a row.
  const colours = (row: number, column: number) => (Math.floor(column / 2) + row) % 2 === 0
  const cells = Array.from({ length: size * size }, (_, n) => ({ row: Math.floor(n / size), column: n % size }))
  const black = cells.filter(({ row, column }) => colours(row, column))
  const white = cells.filter(({ row, column }) => !colours(row, column))
  while (black.length > white.length + 1) white.push(black.pop()!)
  while (white.length > black.length) black.push(white.pop()!)
  for (let n = 0; n < size * size; n++) {
    const { row, column } = (n % 2 === 0 ? black : white)[n >> 1]!
    game = play(game, move(n % 2 === 0 ? 'b' : 'w', row, column))
  }
  expect([isOver(game), winnerOf(game), game.moves.length]).toEqual([true, undefined, size * size])
})

test('a round is measured only if one technique had it all', () => {
  const rounds = new Rounds()
  rounds.begin('1', 'sse', 100)
  rounds.heard('0', 105)
  rounds.heard('1', 110)
  rounds.begin('2', 'sse', 200)
  rounds.by('sse')
  rounds.heard('2', 230)
  rounds.begin('3', 'poll', 300)
  rounds.by('sse')
  rounds.heard('3', 900)
  rounds.begin('4', undefined, 300)
  rounds.heard('4', 900)
  expect(rounds.table()).toEqual([{ technique: 'sse', moves: 2, median: 20 }])
  expect(rounds.last).toEqual({ technique: 'sse', ms: 30 })
  expect([median([3, 1, 2]), median([5])]).toEqual([2, 5])
})
