import type { Batch } from '../types.ts'

/** Where callbacks put what they hear, until the generator takes it. */
export interface Sink {
  put(batch: Batch): void
  fail(error: unknown): void
  end(): void
}

/** Turns callbacks into a generator: start begins to listen and returns how to stop. */
export async function* listen(signal: AbortSignal, start: (sink: Sink) => () => void): AsyncGenerator<Batch> {
  let heard: Batch[] = []
  let failure: unknown
  let over = signal.aborted
  let wake = () => {}
  const finish = (error?: unknown) => {
    failure ??= over ? undefined : error
    over = true
    wake()
  }
  const onAbort = () => finish()
  signal.addEventListener('abort', onAbort)
  const stop = start({
    put: (batch) => {
      heard.push(batch)
      wake()
    },
    fail: finish,
    end: () => finish(),
  })
  try {
    for (;;) {
      const batches = heard
      heard = []
      for (const batch of batches) {
        if (signal.aborted) return
        yield batch
      }
      if (heard.length) continue
      if (over) break
      await new Promise<void>((resolve) => (wake = resolve))
    }
    if (failure !== undefined && !signal.aborted) throw failure
  } finally {
    signal.removeEventListener('abort', onAbort)
    stop()
  }
}
