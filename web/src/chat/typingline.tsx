import { useEffect, useReducer } from 'preact/hooks'
import type { Chat } from './main.tsx'
import { text } from './words.ts'

/** Who is writing. It is empty again when nobody has said so for some seconds. */
export function TypingLine({ chat }: { chat: Chat }) {
  const t = text()
  const [, renderAnew] = useReducer((n: number, _: void) => n + 1, 0)
  const live = chat.status.state === 'live' && !chat.isCut
  const { names, next } = chat.typing.now(chat.me.person)
  useEffect(() => {
    if (next === undefined) return
    const timer = setTimeout(() => renderAnew(), next + 10)
    return () => clearTimeout(timer)
  })
  const said = names.length > 1 ? t.typingMany(names.join(', ')) : t.typing(names.join())
  return <p class="typing">{live && names.length > 0 && said}</p>
}
