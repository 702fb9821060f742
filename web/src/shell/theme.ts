import { recall, remember } from './store.ts'

export type Theme = 'system' | 'light' | 'dark'

const listeners = new Set<() => void>()

/** What was chosen: `public/theme.js` has set it before anything was drawn. */
export function theme(): Theme {
  const chosen = recall('pabal.theme')
  return chosen === 'light' || chosen === 'dark' ? chosen : 'system'
}

export function setTheme(to: Theme): void {
  remember('pabal.theme', to === 'system' ? undefined : to)
  const { dataset } = document.documentElement
  if (to === 'system') delete dataset.theme
  else dataset.theme = to
  for (const tell of [...listeners]) tell()
}

/** Calls tell when the colours have changed, by choice or with the system: for what a canvas shows. Returns how to end that. */
export function onTheme(tell: () => void): () => void {
  const dark = matchMedia('(prefers-color-scheme: dark)')
  listeners.add(tell)
  dark.addEventListener('change', tell)
  return () => {
    listeners.delete(tell)
    dark.removeEventListener('change', tell)
  }
}
