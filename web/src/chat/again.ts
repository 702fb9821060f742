import { PabalError } from 'pabal'

const pause = 1000

/** Attempts something until it is done, the server refuses it, or the signal says that nobody wants to know. */
export async function untilKnown<T>(attempt: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (;;) {
    try {
      return await attempt()
    } catch (error) {
      if (signal.aborted || (error instanceof PabalError && !error.temporary && !error.foreign)) throw error
      await new Promise((resolve) => setTimeout(resolve, pause)) // there is no connection now
      signal.throwIfAborted()
    }
  }
}
