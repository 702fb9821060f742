import type { Pabal } from './client.ts'
import type { Reader } from './reader.ts'

/** Milliseconds between polls while nobody looks. */
const rareInterval = 15_000
/** A gap in the ticking of a clock that only sleep can have made, in milliseconds. */
const slept = 15_000

/**
 * Follows what happens to the page: it is hidden or seen, frozen, put into the cache of pages that were left, or woken; the network goes and
 * comes; the machine sleeps. Returns how to end that.
 */
export function watchLife(client: Pabal): () => void {
  const each = (act: (reader: Reader) => void) => client.groups.forEach((group) => act(group.reader))
  const hurry = () => void client.up?.then((up) => up.hurry())
  const { hidden: whileHidden = 'keep' } = client.options
  const ending = new AbortController()
  const on = (target: EventTarget, types: string, act: (event: Event) => void) => {
    for (const type of types.split(' ')) target.addEventListener(type, act, { signal: ending.signal })
  }
  let paused = false
  const pause = (now: boolean) => {
    paused = now
    each((reader) => reader.pause(now))
    if (!now) hurry()
  }
  const suspect = () => {
    if (!paused) each(renew)
    hurry()
  }
  // An open connection keeps a page out of that cache, and a frozen one holds it for nothing.
  on(window, 'pagehide', () => {
    client.memory?.save()
    pause(true)
  })
  on(window, 'pageshow', (event) => (event as PageTransitionEvent).persisted && pause(false))
  on(document, 'freeze', () => pause(true))
  on(document, 'resume', () => pause(false))
  on(window, 'online', suspect)
  on(window, 'offline', () => each(renew))
  const hide = () => {
    const hidden = document.visibilityState === 'hidden'
    if (whileHidden === 'pause') pause(hidden)
    else if (whileHidden === 'poll') each((reader) => rare(reader, hidden))
    if (!hidden) each((reader) => reader.hurry())
  }
  on(document, 'visibilitychange', hide)
  if (document.visibilityState === 'hidden') hide()
  if (!navigator.onLine) each(renew) // it may have gone while this was loaded
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

/** The network may be another, or this page has slept: what was open may be dead without a word, and what did not work may. */
function renew(reader: Reader): void {
  const { current } = reader
  reader.ladder.renew()
  if (current) void reader.change(current.technique).catch(() => reader.current === current && current.abort())
  reader.hurry()
}

const before = new WeakMap<Reader, string | undefined>()

/** Has reader poll now and then, as nobody looks, or go on as before. */
function rare(reader: Reader, now: boolean): void {
  if (!reader.client.techniques.has('poll')) return reader.pause(now)
  if (now === (reader.interval !== undefined)) return
  reader.interval = now ? rareInterval : undefined
  if (now) before.set(reader, reader.current?.technique)
  const technique = now ? 'poll' : (reader.forced ?? before.get(reader) ?? reader.ladder.best)
  if (reader.running) void reader.change(technique).catch(() => reader.current?.abort())
}
