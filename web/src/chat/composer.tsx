import type { TargetedEvent } from 'preact'
import { useRef } from 'preact/hooks'
import type { Chat } from './main.tsx'
import { longestText } from './message.ts'
import { text } from './words.ts'

/** Where one writes: Enter sends, Shift + Enter is a new line. */
export function Composer({ chat }: { chat: Chat }) {
  const t = text()
  const area = useRef<HTMLTextAreaElement>(null)
  const send = (event?: Event) => {
    event?.preventDefault()
    const { current } = area
    if (!current?.value.trim()) return
    chat.send(current.value.trim())
    chat.writes(false)
    current.value = ''
    current.focus()
  }
  const press = (event: KeyboardEvent) => {
    // While Hangul is being composed, Enter only ends the syllable.
    if (event.key === 'Enter' && !event.shiftKey && !event.isComposing && event.keyCode !== 229) send(event)
  }
  const write = ({ currentTarget: { value } }: TargetedEvent<HTMLTextAreaElement>) => chat.writes(value.trim() !== '')
  const live = chat.status.state === 'live' && !chat.isCut
  return (
    <form class="composer" onSubmit={send}>
      <textarea
        ref={area}
        rows={1}
        maxLength={longestText}
        aria-label={t.write}
        aria-describedby="composer-hint"
        placeholder={live ? t.say : t.sayLater}
        onInput={write}
        onKeyDown={press}
        onBlur={() => chat.writes(false)}
      />
      <button type="submit" class="button">
        {t.send}
      </button>
      <p id="composer-hint">{t.hint}</p>
    </form>
  )
}
