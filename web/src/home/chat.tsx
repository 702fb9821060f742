import { useEffect, useRef, useState } from 'preact/hooks'
import { channelURL, problemOf } from '../wire/wire.ts'
import { Reader, type Line, type Link } from './reader.ts'

const linkText = { connecting: 'Connecting', live: 'Live by EventSource', lost: 'Connecting again', closed: 'Closed' }
const keep = 200

/** The channel as a native EventSource shows it, and a line to publish to it. */
export function Chat({ channel }: { channel: string }) {
  const { lines, link } = useChannel(channel)
  const list = useRef<HTMLDivElement>(null)
  useEffect(() => {
    list.current?.scrollTo({ top: list.current.scrollHeight })
  }, [lines.length, link])
  return (
    <section class="chat" aria-labelledby="chat-title">
      <header>
        <h2 id="chat-title">
          The channel <code>{channel}</code>
        </h2>
        <p class="chat-link" data-link={link} role="status">
          <span class="dot" aria-hidden="true" />
          {linkText[link]}
        </p>
      </header>
      <div class="chat-lines" ref={list} role="log" aria-label={`Messages of ${channel}`} tabindex={0}>
        <ol>
          {lines.map(({ cursor, text }) => (
            <li key={cursor}>{text}</li>
          ))}
        </ol>
        {link === 'closed' ? (
          <p class="chat-hint">
            The channel is closed: nothing follows. <code>curl -X DELETE {location.origin + channelURL(channel)}</code> begins it
            anew; then load this page again.
          </p>
        ) : (
          lines.length === 0 && <p class="chat-hint">No message yet. Publish one here, or with curl.</p>
        )}
      </div>
      <Publish channel={channel} />
    </section>
  )
}

/** The last messages of a channel, and how its reader fares. */
function useChannel(channel: string): { lines: Line[]; link: Link } {
  const [lines, setLines] = useState<Line[]>([])
  const [link, setLink] = useState<Link>('connecting')
  useEffect(() => {
    const reader = new Reader(channel, {
      line: (line) => setLines((lines) => [...lines, line].slice(-keep)),
      link: setLink,
    })
    // All tabs share six connections over HTTP/1.1: a page that nobody sees gives its own back.
    const onVisibility = () => {
      if (document.visibilityState === 'hidden') reader.close()
      else reader.open()
    }
    onVisibility()
    document.addEventListener('visibilitychange', onVisibility)
    return () => {
      document.removeEventListener('visibilitychange', onVisibility)
      reader.close()
    }
  }, [channel])
  return { lines, link }
}

function Publish({ channel }: { channel: string }) {
  const [text, setText] = useState('')
  const [error, setError] = useState('')
  const publish = async (event: Event) => {
    event.preventDefault()
    if (!text) return
    setError('')
    try {
      const headers = { 'Content-Type': 'text/plain; charset=utf-8' }
      const response = await fetch(channelURL(channel), { method: 'POST', body: text, headers })
      if (!response.ok) throw await problemOf(response)
      setText((now) => (now === text ? '' : now))
    } catch (error) {
      setError((error as Error).message)
    }
  }
  return (
    <form class="chat-publish" onSubmit={publish}>
      <label>
        <span class="visually-hidden">Message to publish</span>
        <input
          value={text}
          placeholder="Say something"
          autocomplete="off"
          enterkeyhint="send"
          onInput={(event) => setText(event.currentTarget.value)}
        />
      </label>
      <button type="submit" class="button">
        Publish
      </button>
      {error && (
        <p class="error" role="alert">
          {error}
        </p>
      )}
    </form>
  )
}
