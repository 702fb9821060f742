import type { TargetedEvent } from 'preact'
import type { Chat } from './main.tsx'
import { longestName } from './message.ts'
import { peopleOf } from './people.ts'
import { longestRoom, tidy } from './room.ts'
import { text } from './words.ts'

/** Who is here, which room this is, and what one is called. */
export function Side({ chat, go }: { chat: Chat; go(room: string): void }) {
  const t = text()
  const { room, me: { name } } = chat
  const enter = (value: string) => {
    const to = tidy(value)
    if (to) go(to)
  }
  const rename = (value: string) => {
    if (chat.me.rename(value)) chat.enter()
  }
  return (
    <aside class="chat-side">
      <People chat={chat} />
      <OneField key={`name ${name}`} label={t.name} value={name} most={longestName} action={t.rename} act={rename} />
      <OneField key={`room ${room}`} label={t.room} value={room} most={longestRoom} action={t.enter} act={enter} />
    </aside>
  )
}

function People({ chat }: { chat: Chat }) {
  const t = text()
  const live = chat.status.state === 'live' && !chat.isCut
  const { people, unnamed } = peopleOf(chat.members ?? [], chat.me.person)
  return (
    <section class="people" data-known={live}>
      <h2>{chat.members ? (live ? t.here(people.length) : t.lastKnown(people.length)) : t.whoIsHere}</h2>
      {!chat.members && !live && <p>{t.nobodyKnows}</p>}
      <ul>
        {people.map(({ person, name, windows }) => (
          <li key={person}>
            <span class="dot" aria-hidden="true" />
            <b>{name}</b>
            {person === chat.me.person && <small>{t.you}</small>}
            {windows > 1 && <small>{t.windows(windows)}</small>}
          </li>
        ))}
      </ul>
      {unnamed > 0 && <p>{t.unnamed(unnamed)}</p>}
      {chat.troubles.presence && <p class="error">{t.notPresent(chat.troubles.presence)}</p>}
    </section>
  )
}

interface FieldProps {
  label: string
  value: string
  most: number
  action: string
  act(value: string): void
}

function OneField({ label, value, most, action, act }: FieldProps) {
  const submit = (event: TargetedEvent<HTMLFormElement>) => {
    event.preventDefault()
    act(event.currentTarget.querySelector('input')!.value)
  }
  return (
    <form class="one-field" onSubmit={submit}>
      <label class="field">
        <span>{label}</span>
        <input defaultValue={value} maxLength={most} required autocomplete="off" />
      </label>
      <button type="submit">{action}</button>
    </form>
  )
}
