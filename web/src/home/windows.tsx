import type { Technique } from 'pabal'
import { useEffect, useReducer, useRef, useState } from 'preact/hooks'
import { words } from '../shell/shell.tsx'
import { Board } from './board.ts'
import { Pane, type Mark, type Message } from './pane.ts'

const names: Technique[] = ['eventsource', 'stream', 'websocket', 'longpoll', 'poll']

const text = words({
  en: {
    title: 'Two windows on one channel',
    lead: 'Say something in one: the other has it. Cut one off, talk on in the other, connect it again: it catches up at its place.',
    second: 'Open this page in a second window',
    window: (n: number) => (n === 0 ? 'First window' : 'Second window'),
    techniqueOf: (n: number) => `Technique of the ${n === 0 ? 'first' : 'second'} window`,
    messagesOf: (n: number) => `Messages in the ${n === 0 ? 'first' : 'second'} window`,
    writeIn: (n: number) => `Message from the ${n === 0 ? 'first' : 'second'} window`,
    eventsource: 'EventSource',
    stream: 'HTTP stream',
    websocket: 'WebSocket',
    longpoll: 'Long poll',
    poll: 'Interval poll',
    cut: 'Cut',
    connect: 'Connect',
    idle: 'Not connected',
    connecting: 'Connecting',
    live: (technique: string) => `Live by ${technique}`,
    waiting: (reason: string) => `Connecting again${reason && `: ${reason}`}`,
    offline: 'This device is offline',
    paused: 'Paused while nobody sees it',
    closed: 'Closed',
    cutOff: (behind: number) =>
      behind === 0 ? 'Cut off' : `Cut off, ${behind} ${behind === 1 ? 'message' : 'messages'} behind the other`,
    came: (n: number) => (n === 0 ? 'nothing came meanwhile' : `${n} came meanwhile`),
    by: (technique: string) => `from here by ${technique}`,
    nothing: 'No message yet.',
    over: 'The channel is closed: nothing follows. This begins it anew; then connect again:',
    say: 'Say something',
    sayLater: 'Say something for later',
    send: 'Send',
    unsent: 'not sent yet',
  },
  ko: {
    title: '채널 하나, 창 두 개',
    lead: '한쪽에 말을 적으면 다른 쪽에도 나타납니다. 한쪽을 끊고 다른 쪽에서 계속 이야기한 뒤 다시 연결해 보세요. 있던 자리부터 따라잡습니다.',
    second: '이 페이지를 새 창에서 하나 더 열기',
    window: (n) => (n === 0 ? '첫째 창' : '둘째 창'),
    techniqueOf: (n) => `${n === 0 ? '첫째' : '둘째'} 창의 전송 방식`,
    messagesOf: (n) => `${n === 0 ? '첫째' : '둘째'} 창의 메시지`,
    writeIn: (n) => `${n === 0 ? '첫째' : '둘째'} 창에서 보낼 메시지`,
    eventsource: 'EventSource',
    stream: 'HTTP 스트림',
    websocket: 'WebSocket',
    longpoll: '롱 폴링',
    poll: '주기적 폴링',
    cut: '끊기',
    connect: '연결',
    idle: '연결 안 됨',
    connecting: '연결하는 중',
    live: (technique) => `${technique}로 연결됨`,
    waiting: (reason) => `다시 연결하는 중${reason && `: ${reason}`}`,
    offline: '이 기기가 오프라인입니다',
    paused: '보는 사람이 없어 쉬는 중',
    closed: '닫힌 채널',
    cutOff: (behind) => (behind === 0 ? '끊김' : `끊김, 다른 창보다 ${behind}개 뒤처짐`),
    came: (n) => (n === 0 ? '그사이 온 메시지 없음' : `그사이 ${n}개가 왔습니다`),
    by: (technique) => `여기부터 ${technique}`,
    nothing: '아직 메시지가 없습니다.',
    over: '채널이 닫혀 더 오는 것이 없습니다. 다음 명령으로 새로 시작한 뒤 다시 연결하세요.',
    say: '메시지를 적어 보세요',
    sayLater: '나중에 보낼 메시지를 적어 보세요',
    send: '보내기',
    unsent: '아직 보내지 않음',
  },
})

/** Two readers of a channel beside each other, each by a technique of its own. */
export function Windows({ channel }: { channel: string }) {
  const [, renderAnew] = useReducer((n: number, _: void) => n + 1, 0)
  const [panes] = useState(() => {
    const board = new Board()
    const first = ['websocket', 'eventsource'] as const
    return first.map((technique) => new Pane(channel, technique, board, () => renderAnew()))
  })
  useEffect(() => {
    for (const pane of panes) void pane.connect()
    return () => panes.forEach((pane) => pane.end())
  }, [])
  const t = text()
  return (
    <section class="windows" aria-labelledby="windows-title">
      <div class="windows-head">
        <div>
          <h2 id="windows-title">{t.title}</h2>
          <p class="lead">{t.lead}</p>
        </div>
        <a href="/" target="_blank">
          {t.second}
        </a>
      </div>
      <div class="panes">
        {panes.map((pane, n) => (
          <PaneView key={n} pane={pane} n={n} />
        ))}
      </div>
    </section>
  )
}

function PaneView({ pane, n }: { pane: Pane; n: number }) {
  const t = text()
  const toggle = () => (pane.off ? void pane.connect() : pane.cut())
  return (
    <article class="card pane" data-cut={pane.isCut} aria-labelledby={`pane-${n}`}>
      <header>
        <h3 id={`pane-${n}`}>{t.window(n)}</h3>
        <select
          aria-label={t.techniqueOf(n)}
          value={pane.technique}
          onChange={(event) => pane.choose(event.currentTarget.value as Technique)}
        >
          {names.map((name) => (
            <option key={name} value={name}>
              {t[name as keyof Names]}
            </option>
          ))}
        </select>
        <button type="button" aria-label={`${pane.off ? t.connect : t.cut}: ${t.window(n)}`} onClick={toggle}>
          {pane.off ? t.connect : t.cut}
        </button>
      </header>
      <Fare pane={pane} />
      <Log pane={pane} n={n} />
      <Write pane={pane} n={n} />
    </article>
  )
}

type Names = Record<'eventsource' | 'stream' | 'websocket' | 'longpoll' | 'poll', string>
const nameOf = (technique: Technique) => text()[technique as keyof Names]

function Fare({ pane }: { pane: Pane }) {
  const t = text()
  const { status, isCut, closed, behind, technique } = pane
  const state = closed ? 'closed' : isCut ? 'cut' : status.state
  const said = {
    ...{ idle: t.idle, connecting: t.connecting, offline: t.offline, paused: t.paused, closed: t.closed },
    ...{ cut: t.cutOff(behind), live: t.live(nameOf(technique)), waiting: t.waiting(status.reason ?? '') },
  }[state]
  return (
    <p class="pane-state" data-state={state} role="status">
      <span class="dot" aria-hidden="true" />
      {said}
    </p>
  )
}

function Log({ pane, n }: { pane: Pane; n: number }) {
  const t = text()
  const { lines, unsent, closed, channel } = pane
  const list = useRef<HTMLDivElement>(null)
  useEffect(() => {
    list.current?.scrollTo({ top: list.current.scrollHeight })
  }, [lines.length, unsent.length, closed])
  // Both windows say the same: one of them is enough to be read out.
  return (
    <div class="pane-lines" ref={list} role="log" aria-label={t.messagesOf(n)} aria-live={n ? 'off' : 'polite'} tabIndex={0}>
      <ol>
        {lines.map((line) =>
          'key' in line ? <Between key={line.key} mark={line} /> : <Said key={line.cursor} line={line} />,
        )}
        {unsent.map(({ id, text }) => (
          <li key={id} class="said own unsent">
            <span>{text}</span> <small>{t.unsent}</small>
          </li>
        ))}
      </ol>
      {lines.length + unsent.length === 0 && !closed && <p class="hint">{t.nothing}</p>}
      {closed && (
        <p class="hint">
          {t.over} <code>{`curl -X DELETE ${location.origin}/channels/${channel}`}</code>
        </p>
      )}
    </div>
  )
}

function Said({ line }: { line: Message }) {
  return <li class={line.own ? 'said own' : 'said'}>{<span>{line.text}</span>}</li>
}

function Between({ mark }: { mark: Mark }) {
  const t = text()
  return <li class="between">{mark.by ? t.by(nameOf(mark.by)) : t.came(mark.came ?? 0)}</li>
}

function Write({ pane, n }: { pane: Pane; n: number }) {
  const t = text()
  const [line, setLine] = useState('')
  const send = (event: Event) => {
    event.preventDefault()
    if (!line.trim()) return
    pane.publish(line)
    setLine('')
  }
  return (
    <form class="pane-write" onSubmit={send}>
      <input
        aria-label={t.writeIn(n)}
        value={line}
        placeholder={pane.isCut ? t.sayLater : t.say}
        autocomplete="off"
        enterkeyhint="send"
        onInput={(event) => setLine(event.currentTarget.value)}
      />
      <button type="submit">{t.send}</button>
      {pane.error && (
        <p class="error" role="alert">
          {pane.error}
        </p>
      )}
    </form>
  )
}
