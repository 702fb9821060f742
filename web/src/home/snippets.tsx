import { useEffect, useRef, useState } from 'preact/hooks'
import { words } from '../shell/shell.tsx'
import { Copy } from './command.tsx'
import { withEventSource, withPabal } from './ownpage.ts'

const text = words({
  en: {
    title: 'Ten lines for a page of your own',
    lead: 'Save them as a file. Once this server lets it in, it chats with the windows above.',
    client: 'The client',
    clientSays: 'The client finds what works here, goes on at its cursor, and repeats a publish until it is kept once.',
    plain: 'EventSource alone',
    plainSays: 'EventSource is in every browser, and it too goes on where it was.',
    copy: 'Copy the page',
    open: 'This server lets pages of any origin in.',
    shut: 'A browser lets a page read this server only if the server allows it. Start it with',
    orName: ', or name the origin of your page instead of *.',
  },
  ko: {
    title: '내 페이지에 넣을 열 줄',
    lead: '파일로 저장하세요. 서버가 허락하면 위의 두 창과 이야기합니다.',
    client: '클라이언트',
    clientSays: '클라이언트는 길에 맞는 방식을 찾고, 커서에서 이어 읽고, 발행은 꼭 한 번 남을 때까지 되풀이합니다.',
    plain: 'EventSource만',
    plainSays: 'EventSource는 모든 브라우저에 있고, 역시 있던 자리에서 이어 읽습니다.',
    copy: '페이지 복사',
    open: '이 서버는 모든 출처의 페이지를 받아들입니다.',
    shut: '다른 출처의 페이지는 서버가 허락해야 읽을 수 있습니다. 서버를 이렇게 시작하세요:',
    orName: '. * 대신 페이지의 출처를 적어도 됩니다.',
  },
})

const kinds = ['client', 'plain'] as const

/** Pages of one's own to copy, as tabs. */
export function Snippets({ channel }: { channel: string }) {
  const t = text()
  const [chosen, choose] = useState<(typeof kinds)[number]>('client')
  const tabs = useRef<HTMLDivElement>(null)
  const code = (chosen === 'client' ? withPabal : withEventSource)(location.origin, channel)
  const other = kinds[1 - kinds.indexOf(chosen)]!
  const onKey = (event: KeyboardEvent) => {
    if (event.key !== 'ArrowLeft' && event.key !== 'ArrowRight') return
    choose(other)
    tabs.current?.querySelector<HTMLElement>(`#tab-${other}`)?.focus()
  }
  return (
    <section class="snippets" aria-labelledby="snippets-title">
      <h2 id="snippets-title">{t.title}</h2>
      <p class="lead">{t.lead}</p>
      <div class="tabs">
        <div role="tablist" aria-labelledby="snippets-title" ref={tabs} onKeyDown={onKey}>
          {kinds.map((kind) => (
            <button
              key={kind}
              type="button"
              role="tab"
              id={`tab-${kind}`}
              aria-selected={kind === chosen}
              aria-controls="own-page"
              tabIndex={kind === chosen ? 0 : -1}
              onClick={() => choose(kind)}
            >
              {t[kind]}
            </button>
          ))}
        </div>
        <Copy text={code} label={t.copy} />
      </div>
      <div id="own-page" role="tabpanel" aria-labelledby={`tab-${chosen}`}>
        <pre tabIndex={0} aria-label={t[chosen]}>
          <code>{code}</code>
        </pre>
        <p class="lead">{chosen === 'client' ? t.clientSays : t.plainSays}</p>
        <Allowed />
      </div>
    </section>
  )
}

/** Whether pages of other origins may read here: the server says so on each of its answers. */
function Allowed() {
  const t = text()
  const [open, setOpen] = useState<boolean>()
  useEffect(() => {
    fetch('/health', { cache: 'no-store' }).then(
      (response) => setOpen(response.headers.get('Access-Control-Allow-Origin') === '*'),
      () => setOpen(undefined),
    )
  }, [])
  if (open === undefined) return null
  if (open) return <p class="lead allowed">{t.open}</p>
  return (
    <p class="lead allowed">
      {t.shut} <code>pabal serve --allow-origin '*'</code>
      {t.orName}
    </p>
  )
}
