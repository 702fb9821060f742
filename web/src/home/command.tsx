import { useEffect, useState } from 'preact/hooks'
import { words } from '../shell/shell.tsx'

const text = words({
  en: {
    title: 'From a terminal',
    publish: 'Publish',
    read: 'Read, and go on reading',
    console: 'Read in the console of this page',
    copy: 'Copy',
    copyOf: (title: string) => `Copy: ${title}`,
    copied: 'Copied',
    select: 'Select it',
  },
  ko: {
    title: '터미널에서',
    publish: '발행',
    read: '읽고, 계속 이어 읽기',
    console: '이 페이지의 콘솔에서 읽기',
    copy: '복사',
    copyOf: (title) => `복사: ${title}`,
    copied: '복사됨',
    select: '직접 선택하세요',
  },
})

/** The channel from outside: lines to run in a terminal, or in the console. */
export function Commands({ channel }: { channel: string }) {
  const t = text()
  const url = `${location.origin}/channels/${channel}`
  return (
    <section class="commands" aria-labelledby="commands-title">
      <h2 id="commands-title">{t.title}</h2>
      <div class="commands-list">
        <Command title={t.publish} code={`curl -d hello ${url}`} />
        <Command title={t.read} code={`curl -N "${url}?via=sse&since=all"`} />
        <Command title={t.console} code={`new EventSource('/channels/${channel}').onmessage = e => console.log(e.data)`} />
      </div>
    </section>
  )
}

/** A line to run elsewhere, with a button that copies it. */
function Command({ title, code }: { title: string; code: string }) {
  return (
    <div class="command">
      <div class="command-head">
        <h3>{title}</h3>
        <Copy text={code} label={text().copyOf(title)} />
      </div>
      <pre>
        <code>{breakable(code)}</code>
      </pre>
    </div>
  )
}

/** Lets a long line wrap between the parts of an address rather than inside a word. */
const breakable = (code: string) => code.split(/(?<=[/?&])/).flatMap((part) => [part, <wbr />])

export function Copy({ text: copied, label }: { text: string; label: string }) {
  const t = text()
  const [said, setSaid] = useState<'copied' | 'select'>()
  useEffect(() => {
    if (!said) return
    const timer = setTimeout(() => setSaid(undefined), 2000)
    return () => clearTimeout(timer)
  }, [said])
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(copied)
      setSaid('copied')
    } catch {
      setSaid('select') // no clipboard outside https and loopback
    }
  }
  return (
    <button type="button" class="copy" aria-label={label} onClick={copy}>
      <span aria-live="polite">{t[said ?? 'copy']}</span>
    </button>
  )
}
