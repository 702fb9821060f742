import { words } from '../shell/shell.tsx'
import type { Lab } from './lab.ts'
import { none, type Faults } from './trouble.ts'
import type { Troubles } from './usetrouble.ts'

interface Experiment {
  rate: number
  span: number
  faults: Partial<Faults>
}

/** How the Lab begins. */
export const plain: Experiment = { rate: 2, span: 6, faults: {} }

const experiments = {
  often: { rate: 20, span: 3, faults: {} },
  slow: { rate: 2, span: 6, faults: { delayMs: 400 } },
  buffer: { rate: 10, span: 15, faults: { buffer: 16_384 } },
  strip: { rate: 2, span: 6, faults: { stripUpgrade: true } },
  cut: { rate: 5, span: 6, faults: { delayMs: 50, lifeMs: 3000 } },
} satisfies Record<string, Experiment>

type Name = keyof typeof experiments

const text = words<{ title: string; names: Record<Name, string>; see: Record<Name, string> }>({
  en: {
    title: 'Try this',
    names: {
      often: 'Twenty a second',
      slow: 'A slow road',
      buffer: 'A proxy that buffers',
      strip: 'No upgrades',
      cut: 'Cut after cut',
    },
    see: {
      often:
        'Streams and the socket carry each entry in the response that is open already. A long poll needs a request for ' +
        'each; a poll fetches many at once. Compare Requests.',
      slow:
        'Now every arrow slants. Down an open road an entry needs one way only. A poll has to ask first, and a long poll ' +
        'has to ask anew after each answer: entries wait for it meanwhile.',
      buffer:
        'EventSource and the fetch stream bring nothing for seconds, then much at once, and no error ever tells: only a ' +
        'reader that counts the seconds notices. The socket, the long poll and the poll are spared.',
      strip:
        'A proxy that does not know Upgrade: the WebSocket is asked for again and again, and its entries pile up. The ' +
        'rest is plain HTTP and passes.',
      cut:
        'Connections break, and each lane comes back at its cursor: what it missed arrives together. Look at Reconnects, ' +
        'then at Lost.',
    },
  },
  ko: {
    title: '해 보기',
    names: { often: '1초에 스무 개', slow: '느린 길', buffer: '모아 두는 프록시', strip: '업그레이드 없음', cut: '끊기고 또 끊기고' },
    see: {
      often:
        '스트림과 소켓은 이미 열린 응답으로 엔트리를 나릅니다. 롱 폴링은 엔트리마다 요청이 하나씩 들고, 폴링은 한 번에 여럿을 ' +
        '가져옵니다. 요청 수를 견주어 보세요.',
      slow:
        '이제 화살표가 모두 기웁니다. 열린 길로는 한쪽 방향의 시간만 듭니다. 폴링은 먼저 물어야 하고, 롱 폴링은 답을 받을 때마다 ' +
        '다시 물어야 해서 그동안 엔트리가 기다립니다.',
      buffer:
        'EventSource와 fetch 스트림은 몇 초 동안 아무것도 오지 않다가 한꺼번에 오고, 아무 오류도 나지 않습니다. 몇 초째 조용한지 ' +
        '세는 쪽만 알아챕니다. 소켓과 롱 폴링과 폴링은 괜찮습니다.',
      strip:
        'Upgrade를 모르는 프록시입니다. WebSocket은 거듭 청해도 열리지 않고 엔트리가 쌓입니다. 나머지는 평범한 HTTP라서 지나갑니다.',
      cut:
        '연결이 끊기고, 저마다 자기 커서로 돌아옵니다. 놓친 것은 함께 도착합니다. 재연결을 본 다음 잃음을 보세요.',
    },
  },
})

interface Props {
  lab: Lab
  troubles: Troubles
  busy: boolean
  span: number
  setSpan: (seconds: number) => void
}

/** Settings that show something, each with what there is to see. */
export function Experiments({ lab, troubles, busy, span, setSpan }: Props) {
  const t = text()
  const names = (Object.keys(experiments) as Name[]).filter((name) => troubles.offer === 'yes' || isQuiet(experiments[name]))
  const now = { rate: lab.pace.rate, span, faults: troubles.chosen }
  const running = names.find((name) => same(experiments[name], now))
  const set = ({ rate, span, faults }: Experiment) => {
    lab.pace.rate = rate
    setSpan(span)
    troubles.choose({ ...none, ...faults })
    if (lab.phase !== 'live' || lab.group !== 0) void lab.live(0)
  }
  return (
    <div class="experiments">
      <h2>{t.title}</h2>
      <div class="experiments-names">
        {names.map((name) => (
          <button
            key={name}
            type="button"
            aria-pressed={running === name}
            disabled={busy}
            onClick={() => set(running === name ? plain : experiments[name])}
          >
            {t.names[name]}
          </button>
        ))}
      </div>
      <p role="status">{running && t.see[running]}</p>
    </div>
  )
}

const isQuiet = ({ faults }: Experiment): boolean => Object.keys(faults).length === 0

function same(one: Experiment, other: Experiment): boolean {
  const [faults, others] = [one, other].map((experiment) => ({ ...none, ...experiment.faults }))
  return one.rate === other.rate && one.span === other.span && JSON.stringify(faults) === JSON.stringify(others)
}
