import './duel.css'
import { useEffect, useMemo, useReducer, useState } from 'preact/hooks'
import { newID } from '../chat/id.ts'
import { ConnectionLine, isTechnique } from '../chat/line.tsx'
import { addressOf, tidy } from '../chat/room.ts'
import { Store } from '../chat/store.ts'
import { Board } from './board.tsx'
import type { Duel } from './main.tsx'
import { Side } from './side.tsx'
import { Turn } from './turn.tsx'
import { text } from './words.ts'

/** The page: the game of the room that the address names. Without one it is a new room, whose name goes into the address. */
export function App({ Duel: Begin }: { Duel: typeof Duel }) {
  const t = text()
  const [, renderAnew] = useReducer((n: number, _: void) => n + 1, 0)
  const [room, setRoom] = useState(roomOfPage)
  const duel = useMemo(() => new Begin(room, playerOfWindow(), techniqueOfPage(), renderAnew), [room])
  useEffect(() => {
    duel.connect()
    return () => duel.end()
  }, [duel])
  useEffect(() => {
    const look = () => setRoom(roomOfPage())
    addEventListener('popstate', look)
    return () => removeEventListener('popstate', look)
  }, [])
  const another = () => {
    history.pushState(null, '', addressOf(newRoom(), location.href))
    setRoom(roomOfPage())
  }
  return (
    <>
      <div class="chat-head">
        <h1>{t.title}</h1>
        <p class="lead">
          {t.lead}{' '}
          <a href={addressOf(room, location.href)} target="_blank" rel="noopener">
            {t.second}
          </a>
        </p>
      </div>
      <div class="duel-page">
        <section class="card" aria-label={t.board}>
          <ConnectionLine of={duel} />
          <Turn duel={duel} />
          <Board key={room} duel={duel} />
          <p class="duel-keys">{t.keys}</p>
        </section>
        <Side duel={duel} another={another} />
      </div>
    </>
  )
}

const newRoom = () => newID().slice(0, 8)

function roomOfPage(): string {
  const room = tidy(new URLSearchParams(location.search).get('room') ?? '') || newRoom()
  history.replaceState(history.state, '', addressOf(room, location.href))
  return room
}

/** A window is one player: two windows of one browser can play each other, and a reload changes nothing. */
function playerOfWindow(): string {
  const store = new Store('sessionStorage')
  const player = store.get('pabal.duel.player') ?? newID()
  store.set('pabal.duel.player', player)
  return player
}

/** `?by=longpoll` begins with that technique. */
function techniqueOfPage() {
  const by = new URLSearchParams(location.search).get('by') ?? undefined
  return isTechnique(by) ? by : undefined
}
