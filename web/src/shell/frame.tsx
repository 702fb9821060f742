import { useState } from 'preact/hooks'
import { language, setLanguage, words } from './language.ts'
import { setTheme, theme, type Theme } from './theme.ts'

/** The pages, and what each is called in the header. */
const pages = [
  { name: 'lab', href: '/lab' },
  { name: 'chat', href: '/demo/chat' },
  { name: 'match', href: '/demo/match' },
  { name: 'monitor', href: '/demo/monitor' },
  { name: 'duel', href: '/demo/duel' },
] as const

export type Name = 'home' | (typeof pages)[number]['name']

const text = words({
  en: {
    skip: 'Skip to the content',
    pages: 'Pages',
    lab: 'Lab',
    chat: 'Chat',
    match: 'Match',
    monitor: 'Monitor',
    duel: 'Duel',
    system: 'Theme: as the system',
    light: 'Theme: light',
    dark: 'Theme: dark',
    story: 'was the relay post of old Korea: a message went on by whatever the road allowed, and it arrived.',
  },
  ko: {
    skip: '본문으로 건너뛰기',
    pages: '페이지',
    lab: '실험실',
    chat: '채팅',
    match: '경기 중계',
    monitor: '모니터',
    duel: '대결',
    system: '테마: 시스템 설정',
    light: '테마: 밝게',
    dark: '테마: 어둡게',
    story: '은 옛 한국의 역참 통신입니다. 길이 허락하는 방법이 무엇이든, 소식은 이어 달려 끝내 닿았습니다.',
  },
})

export function Header({ current }: { current: Name }) {
  const t = text()
  return (
    <>
      <a class="skip" href="#main">
        {t.skip}
      </a>
      <header class="top">
        <a class="brand" href="/" aria-current={current === 'home' ? 'page' : undefined}>
          <img src="/favicon.svg" alt="" width="28" height="28" />
          Pabal
        </a>
        <nav aria-label={t.pages}>
          {pages.map(({ name, href }) => (
            <a key={name} href={href} aria-current={current === name ? 'page' : undefined}>
              {t[name]}
            </a>
          ))}
        </nav>
        <div class="tools">
          <LanguageButton />
          <ThemeButton />
        </div>
      </header>
    </>
  )
}

function LanguageButton() {
  const other = language() === 'en' ? 'ko' : 'en'
  return (
    <button type="button" class="tool" lang={other} onClick={() => setLanguage(other)}>
      {other === 'ko' ? '한국어' : 'English'}
    </button>
  )
}

const next: Record<Theme, Theme> = { system: 'light', light: 'dark', dark: 'system' }

function ThemeButton() {
  const [chosen, choose] = useState(theme)
  const name = text()[chosen]
  const change = () => {
    setTheme(next[chosen])
    choose(next[chosen])
  }
  return (
    <button type="button" class="tool tool-theme" aria-label={name} title={name} onClick={change}>
      <Icon of={chosen} />
    </button>
  )
}

const rays = 'M12 2v2.5M12 19.5V22M2 12h2.5M19.5 12H22M4.9 4.9l1.8 1.8M17.3 17.3l1.8 1.8M4.9 19.1l1.8-1.8M17.3 6.7l1.8-1.8'

function Icon({ of }: { of: Theme }) {
  return (
    <svg viewBox="0 0 24 24" width="20" height="20" aria-hidden="true" focusable="false">
      {of === 'system' && (
        <>
          <circle cx="12" cy="12" r="8.5" />
          <path class="full" d="M12 3.5a8.5 8.5 0 0 1 0 17z" />
        </>
      )}
      {of === 'light' && (
        <>
          <circle cx="12" cy="12" r="4.25" />
          <path d={rays} />
        </>
      )}
      {of === 'dark' && <path d="M20 14.2A8.3 8.3 0 0 1 9.8 4a8.3 8.3 0 1 0 10.2 10.2z" />}
    </svg>
  )
}

export function Footer() {
  const { story } = text()
  return (
    <footer class="foot">
      <p>
        {language() === 'en' ? (
          <>
            Pabal (<span lang="ko">파발</span>) {story}
          </>
        ) : (
          <>파발{story}</>
        )}
      </p>
    </footer>
  )
}
