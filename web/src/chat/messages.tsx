import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'
import { language } from '../shell/shell.tsx'
import { blocksOf, type Block, type Group } from './grouping.ts'
import type { Chat } from './main.tsx'
import type { Unsent } from './outbox.ts'
import type { Mark } from './talk.ts'
import { text } from './words.ts'

/** How near to an end of the list counts as there. */
const near = 48

/** The messages. Who is at the end stays there as others come; who reads older ones stays with those. */
export function Messages({ chat }: { chat: Chat }) {
  const t = text()
  const { talk, past } = chat
  const unsent = chat.outbox.all().filter(({ room }) => room === chat.room)
  const { list, atEnd, look, toEnd } = useScroll(talk.begin, unsent.at(-1)?.id)
  const canLoad = !chat.isCut && talk.begin !== undefined && talk.hasOlder !== false
  const live = chat.status.state === 'live' && !chat.isCut
  const scroll = () => {
    look()
    if (canLoad && list.current!.scrollTop < near) chat.older()
  }
  useEffect(() => {
    if (!live || !canLoad) return
    // Where all fits there is nothing to scroll. It is seen once nothing has come for a moment.
    const timer = setTimeout(() => fits(list.current) && chat.older(), 500)
    return () => clearTimeout(timer)
  }, [live, canLoad, talk.lines.length])
  return (
    <div class="messages">
      <div
        class="messages-scroll"
        ref={list}
        onScroll={scroll}
        role="log"
        aria-live="polite"
        aria-busy={past.loading}
        aria-label={t.messages(chat.room)}
        tabIndex={0}
      >
        <div class="messages-top">
          {past.error && <p class="error">{t.olderFailed(past.error)}</p>}
          {past.loading && <p>{t.loading}</p>}
          {canLoad && !past.loading && (
            <button type="button" onClick={() => chat.older()}>
              {t.older}
            </button>
          )}
          {talk.hasOlder === false && !talk.wasReset && <p>{t.begin}</p>}
        </div>
        {live && !talk.lines.length && !unsent.length && <p class="messages-none">{t.nothing}</p>}
        {blocksOf(talk.lines).map((block) => (
          <BlockView key={block.key} block={block} me={chat.me.person} />
        ))}
        {unsent.length > 0 && (
          <ul class="group own">
            {unsent.map((message) => (
              <UnsentView key={message.id} chat={chat} message={message} />
            ))}
          </ul>
        )}
        {chat.closed && <p class="mark">{t.closed}</p>}
        {chat.troubles.read && <p class="mark error">{t.unreadable(chat.troubles.read)}</p>}
      </div>
      {!atEnd && (
        <button type="button" class="to-end" onClick={toEnd}>
          ↓ {t.newer}
        </button>
      )}
    </div>
  )
}

const fits = (list: HTMLElement | null) => list !== null && list.scrollHeight <= list.clientHeight

/** Keeps the place in a list that grows at both ends: begin changes with older lines, sent with what is written here. */
function useScroll(begin: string | undefined, sent: string | undefined) {
  const list = useRef<HTMLDivElement>(null)
  const was = useRef({ atEnd: true, height: 0, begin, sent })
  const [atEnd, setAtEnd] = useState(true)
  const toEnd = () => list.current?.scrollTo({ top: list.current.scrollHeight })
  const look = () => {
    const { scrollTop, scrollHeight, clientHeight } = list.current!
    was.current.atEnd = scrollHeight - scrollTop - clientHeight < near
    setAtEnd(was.current.atEnd)
  }
  useLayoutEffect(() => {
    const { current } = list
    const before = was.current
    if (!current) return
    if (before.atEnd || (sent !== undefined && sent !== before.sent)) toEnd()
    else if (begin !== before.begin) current.scrollTop += current.scrollHeight - before.height
    was.current = { ...before, height: current.scrollHeight, begin, sent }
  })
  useEffect(() => {
    const resized = new ResizeObserver(() => was.current.atEnd && toEnd())
    resized.observe(list.current!)
    return () => resized.disconnect()
  }, [])
  return { list, atEnd, look, toEnd }
}

function BlockView({ block, me }: { block: Block; me: string }) {
  if ('day' in block) return <p class="day">{dayText(block.day)}</p>
  if ('mark' in block) return <MarkView mark={block.mark} />
  return <GroupView group={block.group} own={block.group.person === me} />
}

function MarkView({ mark }: { mark: Mark }) {
  const t = text()
  if ('missing' in mark) return <p class="mark">{mark.missing === 'gap' ? t.gap : t.reset}</p>
  const { count } = mark.cut
  return <p class="mark">{count === undefined ? t.catchingUp : count ? t.came(count) : t.cameNone}</p>
}

function GroupView({ group: { name, at, messages }, own }: { group: Group; own: boolean }) {
  return (
    <div class={own ? 'group own' : 'group'}>
      <p class="by">
        <b>{name ?? text().someone}</b> <time dateTime={new Date(at).toISOString()}>{timeText(at)}</time>
      </p>
      <ul>
        {messages.map((message) => (
          <li key={message.cursor} data-cursor={message.cursor} title={timeText(message.at)} dir="auto">
            {message.text}
          </li>
        ))}
      </ul>
    </div>
  )
}

function UnsentView({ chat, message }: { chat: Chat; message: Unsent }) {
  const t = text()
  const { id, kept, refused } = message
  return (
    <li class="unsent" data-id={id}>
      <span dir="auto">{message.text}</span>
      <small class={refused === undefined ? undefined : 'error'}>
        {refused === undefined ? (kept ? t.kept : t.waiting) : t.refused(refused)}
      </small>
      {refused !== undefined && (
        <>
          <button type="button" onClick={() => chat.sender.tryAgain(id)}>{t.again}</button>
          <button type="button" onClick={() => chat.sender.discard(id)}>{t.discard}</button>
        </>
      )}
    </li>
  )
}

const timeText = (at: number): string =>
  new Date(at).toLocaleTimeString(language(), { hour: 'numeric', minute: '2-digit' })

const dayText = (at: number): string =>
  new Date(at).toLocaleDateString(language(), { year: 'numeric', month: 'long', day: 'numeric', weekday: 'long' })
