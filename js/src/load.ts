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

export const kit = (): Promise<typeof import('./kit.ts')> => load(() => import('./kit.ts'))
