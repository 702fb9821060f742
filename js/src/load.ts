import { backoff, sleep } from './time.ts'

/** Loads a part of the client, also if the network is not there for a while. */
export async function load<T>(part: () => Promise<T>): Promise<T> {
  for (let failures = 0; ; failures++) {
    try {
      return await part()
    } catch {
      await sleep(backoff(failures))
    }
  }
}

/** Calls what is not ours: its errors are its own, and told as such. */
export function tell<T>(listener: ((value: T) => void) | undefined, value: T): void {
  try {
    listener?.(value)
  } catch (error) {
    queueMicrotask(() => {
      throw error
    })
  }
}

export const kit = (): Promise<typeof import('./kit.ts')> => load(() => import('./kit.ts'))
