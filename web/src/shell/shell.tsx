import '../style.css'
import { render, type ComponentType } from 'preact'
import { useEffect, useReducer } from 'preact/hooks'
import { Footer, Header, type Name } from './frame.tsx'
import { language, onLanguage } from './language.ts'

export { language, onLanguage, setLanguage, words, type Language } from './language.ts'
export { onTheme, setTheme, theme, type Theme } from './theme.ts'

/**
 * Makes the page: the header with the way to all others, App in the middle, the footer. It renders anew when the language
 * changes, and keeps App's state then. What the HTML says without scripting is replaced.
 */
export function page(current: Name, App: ComponentType, title: { en: string; ko: string }): void {
  const root = document.getElementById('page')!
  root.replaceChildren()
  render(<Page current={current} App={App} title={title} />, root)
}

function Page({ current, App, title }: { current: Name; App: ComponentType; title: { en: string; ko: string } }) {
  const [, renderAnew] = useReducer((n: number, _: void) => n + 1, 0)
  useEffect(() => onLanguage(() => renderAnew()), [])
  const now = language()
  useEffect(() => {
    document.documentElement.lang = now
    const name = title[now]
    document.title = name.includes('Pabal') ? name : `${name} · Pabal`
  }, [now])
  return (
    <>
      <Header current={current} />
      <main id="main" class={current} tabIndex={-1}>
        <App />
      </main>
      <Footer />
    </>
  )
}
