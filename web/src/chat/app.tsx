import './chat.css'
import { useEffect, useMemo, useReducer, useState } from 'preact/hooks'
import { Composer } from './composer.tsx'
import { ConnectionLine, isTechnique } from './line.tsx'
import type { Chat } from './main.tsx'
import { Me } from './me.ts'
import { Messages } from './messages.tsx'
import { Outbox } from './outbox.ts'
import { addressOf, roomOf } from './room.ts'
import { Side } from './side.tsx'
import { Store } from './store.ts'
import { TypingLine } from './typingline.tsx'
import { text } from './words.ts'

const local = new Store('localStorage')

/** The page: one chat at a time, of the room that the address names. */
export function App({ Chat: Begin }: { Chat: typeof Chat }) {
  const t = text()
  const [, renderAnew] = useReducer((n: number, _: void) => n + 1, 0)
  const me = useMemo(() => new Me(local, t.guest), [])
  const outbox = useMemo(() => new Outbox(local), [])
  const [room, setRoom] = useState(() => roomOf(location.search))
  const chat = useMemo(() => new Begin(room, me, outbox, techniqueOf(location.search), renderAnew), [room])
  useEffect(() => {
    chat.connect()
    return () => chat.end()
  }, [chat])
  useEffect(() => {
    const look = () => setRoom(roomOf(location.search))
    const listen = () => me.look() && (chat.enter(), renderAnew()) // another tab has changed the name
    addEventListener('popstate', look)
    addEventListener('storage', listen)
    return () => {
      removeEventListener('popstate', look)
      removeEventListener('storage', listen)
    }
  }, [chat])
  const go = (to: string) => {
    if (to === room) return
    history.pushState(null, '', addressOf(to, location.href))
    setRoom(to)
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
      <div class="chat-page">
        <section class="card chat-window" aria-label={`${t.room} ${room}`}>
          <ConnectionLine of={chat} />
          <Messages key={room} chat={chat} />
          <TypingLine chat={chat} />
          <Composer chat={chat} />
        </section>
        <Side chat={chat} go={go} />
      </div>
    </>
  )
}

/** `?by=longpoll` begins with that technique. */
function techniqueOf(search: string) {
  const by = new URLSearchParams(search).get('by') ?? undefined
  return isTechnique(by) ? by : undefined
}
