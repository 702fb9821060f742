import type { Reader } from './reader.ts'

/** What a page's life asks of its client. */
export interface Life {
  each(act: (reader: Reader) => void): void
  hidden: 'keep' | 'poll' | 'pause'
  changed(): void
  /** Sends now what waits. */
  hurry(): void
  save(): void
}

/** A gap in the ticking of a clock that only sleep can have made, in milliseconds. */
const slept = 15_000

/**
 * Follows what happens to the page: it is hidden or seen, frozen, put into the cache of pages that were left, or woken; the network goes and
 * comes; the machine sleeps. Returns how to end that.
 */
export function watchLife(life: Life): () => void {
  if (typeof document === 'undefined' || typeof addEventListener === 'undefined') return () => {}
  const ending = new AbortController()
  const on = (target: EventTarget, types: string, act: (event: Event) => void) => {
    for (const type of types.split(' ')) target.addEventListener(type, act, { signal: ending.signal })
  }
  let paused = false
  const pause = (now: boolean) => {
    paused = now
    life.each((reader) => reader.pause(now))
    if (!now) life.hurry()
  }
  const suspect = () => {
    if (!paused) life.each((reader) => reader.suspect())
    life.hurry()
  }
  // An open connection keeps a page out of that cache, and a frozen one holds it for nothing.
  on(window, 'pagehide', () => {
    life.save()
    pause(true)
  })
  on(window, 'pageshow', (event) => (event as PageTransitionEvent).persisted && pause(false))
  on(document, 'freeze', () => pause(true))
  on(document, 'resume', () => pause(false))
  on(window, 'online', suspect)
  on(window, 'offline', () => life.each((reader) => reader.suspect()))
  const hide = () => {
    const hidden = document.visibilityState === 'hidden'
    if (life.hidden === 'pause') pause(hidden)
    else if (life.hidden === 'poll') life.each((reader) => reader.rare(hidden))
    if (!hidden) life.each((reader) => reader.hurry())
  }
  on(document, 'visibilitychange', hide)
  if (document.visibilityState === 'hidden') hide()
  let last = Date.now()
  const clock = setInterval(() => {
    const now = Date.now()
    if (now - last > slept && document.visibilityState === 'visible') suspect()
    last = now
  }, 2000)
  return () => {
    clearInterval(clock)
    ending.abort()
  }
}
