import { recall, remember } from './store.ts'

export type Language = 'en' | 'ko'

const listeners = new Set<() => void>()
let current = initial()

/** The language of the moment. */
export function language(): Language {
  return current
}

/** A table's shape: what is a text in one language is another text in the other. */
type Wide<T> = {
  [K in keyof T]: T[K] extends (...args: infer A) => string ? (...args: A) => string : T[K] extends string ? string : T[K]
}

/** The table of the language of the moment. Call it while rendering: a page renders anew when the language changes. */
export function words<T extends object>(all: { en: T; ko: NoInfer<Wide<T>> }): () => Wide<T> {
  return () => (current === 'en' ? (all.en as Wide<T>) : all.ko)
}

/** Changes the language for this page and those to come; an address that names one is changed with it. */
export function setLanguage(to: Language): void {
  current = to
  remember('pabal.lang', to)
  const url = new URL(location.href)
  if (url.searchParams.has('lang')) {
    url.searchParams.set('lang', to)
    history.replaceState(history.state, '', url)
  }
  for (const tell of [...listeners]) tell()
}

/** Calls tell after each change. Returns how to end that. */
export function onLanguage(tell: () => void): () => void {
  listeners.add(tell)
  return () => listeners.delete(tell)
}

function initial(): Language {
  if (typeof document === 'undefined') return 'en'
  for (const said of [new URLSearchParams(location.search).get('lang'), recall('pabal.lang'), navigator.language]) {
    const [primary] = (said ?? '').toLowerCase().split('-')
    if (primary === 'ko' || primary === 'en') return primary
  }
  return 'en'
}
