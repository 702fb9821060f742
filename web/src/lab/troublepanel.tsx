import { words } from '../shell/shell.tsx'
import { Slider } from './slider.tsx'
import { isNone, none, type Faults } from './trouble.ts'
import { ms } from './units.ts'
import type { Troubles } from './usetrouble.ts'

const text = words({
  en: {
    title: 'Trouble on the way',
    lead:
      'A proxy in the server does to the lanes’ connections what networks do. Publishing goes round it. Each change ' +
      'cuts what is open, and all goes on at its cursor.',
    delay: 'Delay, each way',
    none: 'none',
    cuts: 'Connections',
    cutNever: 'stay',
    cutOften: 'are cut, every 3 s or so',
    cut10: 'are cut at 10 s',
    cut30: 'are cut at 30 s',
    buffer: 'A proxy that buffers: of each response it holds back 16 KiB',
    strip: 'A proxy that strips Upgrade',
    clear: 'No more trouble',
    off:
      'This server makes no trouble on demand: that is part of its development mode, which is on where it listens on ' +
      'loopback only and has no keys for tokens, or with --dev=on.',
    h2: 'Trouble is made on connections of HTTP/1.1, and this page came by HTTP/2.',
    asking: 'Asking whether this server makes trouble on demand.',
    failed: (why: string) => `That did not work: ${why}`,
  },
  ko: {
    title: '길 위의 말썽',
    lead: '서버 안의 프록시가 네트워크가 하는 일을 연결에 합니다. 올리기는 이것을 돌아서 갑니다. 바꿀 때마다 열린 것이 끊기고, 모두 자기 커서에서 이어 갑니다.',
    delay: '한쪽 방향의 지연',
    none: '없음',
    cuts: '연결은',
    cutNever: '그대로',
    cutOften: '3초쯤마다 끊김',
    cut10: '10초에 끊김',
    cut30: '30초에 끊김',
    buffer: '모아 두는 프록시: 응답마다 16 KiB를 붙잡음',
    strip: 'Upgrade를 지우는 프록시',
    clear: '말썽 끝내기',
    off: '이 서버는 일부러 말썽을 일으키지 않습니다. 개발 모드에 있는 기능이며, 서버가 loopback에서만 듣고 토큰의 열쇠가 없을 때, 또는 --dev=on일 때 켜집니다.',
    h2: '말썽은 HTTP/1.1 연결에만 일으키는데, 이 페이지는 HTTP/2로 왔습니다.',
    asking: '이 서버가 일부러 말썽을 일으키는지 묻는 중입니다.',
    failed: (why) => `되지 않았습니다: ${why}`,
  },
})

const delays = [0, 50, 150, 400, 1000]
const cuts = ['cutNever', 'cutOften', 'cut10', 'cut30'] as const
type Cut = (typeof cuts)[number]
const cutFaults: Record<Cut, Pick<Faults, 'lifeMs' | 'maxLifeMs'>> = {
  cutNever: { lifeMs: 0, maxLifeMs: 0 },
  cutOften: { lifeMs: 3000, maxLifeMs: 0 },
  cut10: { lifeMs: 0, maxLifeMs: 10_000 },
  cut30: { lifeMs: 0, maxLifeMs: 30_000 },
}
const cutOf = ({ lifeMs, maxLifeMs }: Faults) =>
  cuts.find((cut) => cutFaults[cut].lifeMs === lifeMs && cutFaults[cut].maxLifeMs === maxLifeMs) ?? 'cutNever'

export function TroublePanel({ troubles, busy }: { troubles: Troubles; busy: boolean }) {
  const t = text()
  const { offer, chosen, choose, failure } = troubles
  const set = (some: Partial<Faults>) => choose({ ...chosen, ...some })
  return (
    <section class="lab-trouble" aria-labelledby="trouble" data-on={!isNone(chosen) || undefined}>
      <div>
        <h2 id="trouble">{t.title}</h2>
        <p class="lab-note">{offer === 'yes' ? t.lead : t[offer]}</p>
      </div>
      {offer === 'yes' && (
        <fieldset disabled={busy}>
          <legend class="visually-hidden">{t.title}</legend>
          <Slider
            label={t.delay}
            values={delays}
            value={chosen.delayMs}
            show={(delay) => (delay ? ms(delay) : t.none)}
            set={(delayMs) => set({ delayMs })}
          />
          <label class="field">
            <span>{t.cuts}</span>
            <select value={cutOf(chosen)} onChange={(event) => set(cutFaults[event.currentTarget.value as Cut])}>
              {cuts.map((cut) => (
                <option key={cut} value={cut}>
                  {t[cut]}
                </option>
              ))}
            </select>
          </label>
          <Check label={t.buffer} on={chosen.buffer > 0} set={(on) => set({ buffer: on ? 16_384 : 0 })} />
          <Check label={t.strip} on={chosen.stripUpgrade} set={(stripUpgrade) => set({ stripUpgrade })} />
          <button type="button" disabled={isNone(chosen)} onClick={() => choose(none)}>
            {t.clear}
          </button>
        </fieldset>
      )}
      {failure && (
        <p class="error" role="alert">
          {t.failed(failure)}
        </p>
      )}
    </section>
  )
}

function Check({ label, on, set }: { label: string; on: boolean; set: (on: boolean) => void }) {
  return (
    <label class="lab-check">
      <input type="checkbox" role="switch" checked={on} onChange={(event) => set(event.currentTarget.checked)} />
      <span>{label}</span>
    </label>
  )
}
