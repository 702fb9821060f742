import './frame.css'
import type { Status, Technique } from 'pabal'
import { words } from '../shell/shell.tsx'

/** What may be tried here, in order of preference. EventSource is the browser's own, SSE the same events read by fetch. */
export const techniques: Technique[] = ['websocket', 'sse', 'stream', 'eventsource', 'longpoll', 'poll']

export const techniqueNames = words<Record<Technique, string>>({
  en: {
    websocket: 'WebSocket',
    sse: 'SSE',
    stream: 'Fetch stream',
    eventsource: 'EventSource',
    longpoll: 'Long poll',
    poll: 'Poll',
  },
  ko: {
    websocket: 'WebSocket',
    sse: 'SSE',
    stream: 'fetch 스트림',
    eventsource: 'EventSource',
    longpoll: '롱 폴링',
    poll: '폴링',
  },
})

const text = words({
  en: {
    technique: 'Technique',
    auto: 'Automatic',
    cut: 'Cut',
    connect: 'Connect',
    cutOff: 'Cut off: this window reads and sends nothing',
    idle: 'Not connected',
    connecting: 'Connecting',
    live: (technique: string) => `Live by ${technique}`,
    waiting: (reason: string) => `No connection; trying again${reason && `. ${reason}`}`,
    offline: 'This device is offline',
    paused: 'Paused',
    closed: 'Closed',
    failed: (technique: string, why: string) => `${technique} does not work now: ${why}`,
  },
  ko: {
    technique: '전송 방식',
    auto: '자동',
    cut: '끊기',
    connect: '연결',
    cutOff: '끊김: 이 창은 받지도 보내지도 않습니다',
    idle: '연결 안 됨',
    connecting: '연결하는 중',
    live: (technique) => `연결됨: ${technique}`,
    waiting: (reason) => `연결이 없어 다시 시도하는 중${reason && `. ${reason}`}`,
    offline: '이 기기가 오프라인입니다',
    paused: '쉬는 중',
    closed: '닫힘',
    failed: (technique, why) => `지금은 ${technique} 방식을 쓸 수 없습니다: ${why}`,
  },
})

/** How a window is connected, and what its visitor may do about it. */
export interface Connection {
  status: Status
  isCut: boolean
  /** What was chosen; undefined: what works best. */
  technique: Technique | undefined
  /** What was chosen before and did not work. */
  failed: { technique: Technique; why: string } | undefined
  choose(technique: Technique | undefined): void
  cut(): void
  connect(): void
}

export const isTechnique = (name: string | undefined): name is Technique => techniques.some((each) => each === name)

/** The status as it is at this moment, the technique by choice, and the button that cuts. */
export function ConnectionLine({ of: connection }: { of: Connection }) {
  const t = text()
  const { status, isCut, technique, failed } = connection
  return (
    <div class="line">
      <p class="line-status" role="status" data-state={isCut ? 'cut' : status.state}>
        <span class="dot" aria-hidden="true" />
        <span>{isCut ? t.cutOff : statusText(status)}</span>
      </p>
      <label class="line-technique">
        <span>{t.technique}</span>
        <select
          value={technique ?? ''}
          onChange={({ currentTarget: { value } }) => connection.choose(isTechnique(value) ? value : undefined)}
        >
          <option value="">{t.auto}</option>
          {techniques.map((each) => (
            <option key={each} value={each}>
              {techniqueNames()[each]}
            </option>
          ))}
        </select>
      </label>
      <button type="button" onClick={() => (isCut ? connection.connect() : connection.cut())}>
        {isCut ? t.connect : t.cut}
      </button>
      {failed && <p class="error line-failed">{t.failed(techniqueNames()[failed.technique], failed.why)}</p>}
    </div>
  )
}

function statusText({ state, technique, reason }: Status): string {
  const t = text()
  if (state === 'live') return t.live(isTechnique(technique) ? techniqueNames()[technique] : (technique ?? ''))
  return state === 'waiting' ? t.waiting(reason ?? '') : t[state]
}
