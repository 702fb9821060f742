import { isNotice, isProblem, ProblemError, type Entry, type Notice } from '../wire/wire.ts'

/** What a read brought: notices come before the entries, and cursor is just after the last of them. */
export interface Batch {
  entries: Entry[]
  notices: Notice[]
  cursor: string
}

/** Counts what a lane costs. Bytes are those of bodies, as near as a page can tell. */
export interface Meter {
  asked(): void
  answered(): void
  took(bytes: number): void
}

/** What to read: one channel, from the cursor on. */
export interface Target {
  channel: string
  cursor: string
  meter: Meter
}

/**
 * One technique. It yields what follows the target's cursor, in order, until the server ends the response (it returns),
 * something fails (it throws) or the signal says so. Whoever goes on at the last cursor it yielded misses nothing.
 */
export type Lane = (to: Target, signal: AbortSignal) => AsyncGenerator<Batch>

/** The batch of one message, be it an entry or a notice; undefined for what is neither, like a reply to a command. */
export function batchOf(message: object, before: string): Batch | undefined {
  if (isProblem(message)) throw new ProblemError(message)
  if (isNotice(message)) return { entries: [], notices: [message], cursor: message.cursor ?? before }
  if (!('cursor' in message)) return undefined
  const entry = message as Entry
  return { entries: [entry], notices: [], cursor: entry.cursor }
}

export const byteLength = (text: string): number => new TextEncoder().encode(text).length

/** Waits ms, or less when the signal says so; it never throws. */
export function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve()
    const done = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    signal.addEventListener('abort', done)
  })
}

/** Where callbacks put what they hear, until a generator takes it. */
export interface Sink {
  put(batch: Batch | undefined): void
  fail(error: Error): void
  end(): void
}

/** Turns callbacks into a generator: start begins to listen and returns how to stop. */
export async function* listen(signal: AbortSignal, start: (sink: Sink) => () => void): AsyncGenerator<Batch> {
  const heard: Batch[] = []
  let failure: Error | undefined
  let over = signal.aborted
  let wake = () => {}
  const finish = (error?: Error) => {
    failure ??= error
    over = true
    wake()
  }
  const onAbort = () => finish()
  signal.addEventListener('abort', onAbort)
  const stop = start({
    put: (batch) => {
      if (batch) heard.push(batch)
      wake()
    },
    fail: finish,
    end: () => finish(),
  })
  try {
    for (;;) {
      for (let batch = heard.shift(); batch; batch = heard.shift()) {
        if (signal.aborted) return
        yield batch
      }
      if (over) break
      await new Promise<void>((resolve) => (wake = resolve))
    }
    if (failure && !signal.aborted) throw failure
  } finally {
    signal.removeEventListener('abort', onAbort)
    stop()
  }
}

interface Callbacks {
  [name: string]: (message: object) => void
}

declare global {
  interface Window {
    lanes?: Callbacks
  }
}

let callbacks = 0

/** A function that a script or a frame calls by its name, `lanes.<kind><n>`, until it is dropped. */
export function callback(kind: string, call: (message: object) => void): { name: string; drop: () => void } {
  const lanes = (window.lanes ??= {})
  const name = `${kind}${++callbacks}`
  lanes[name] = call
  return { name: `lanes.${name}`, drop: () => delete lanes[name] }
}
