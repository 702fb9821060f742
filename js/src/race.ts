import { PabalError } from './error.ts'
import type { Reader } from './reader.ts'
import type { Road } from './road.ts'
import { sleep } from './time.ts'

/** How long the next technique waits before it is tried beside one that has not opened yet. */
const headStart = 400

/** Tries techniques in turn, each with a short start before the next. The first that opens wins; if none does, error says why. */
export async function race(reader: Reader, order: string[], over: () => boolean): Promise<{ road?: Road; error?: unknown }> {
  const { racing } = reader
  const roads: Road[] = []
  let won: Road | undefined
  try {
    for (const technique of order) {
      const road = await reader.open(technique)
      roads.push(road)
      racing.add(road)
      const opened = road.opening.then((open) => {
        if (open) won ??= road
      })
      await Promise.race([opened, sleep(headStart * 2 ** Math.min(reader.failures, 3))])
      if (won || over() || isWord(road.error)) break
    }
    for (;;) {
      const pending = roads.filter((road) => road.pending)
      if (won || over() || !pending.length || roads.some((road) => isWord(road.error))) break
      await Promise.race(pending.map((road) => road.opening))
    }
    const errors = roads.map((road) => road.error).filter((error) => error !== undefined)
    return won ? { road: won } : { error: errors.find(isWord) ?? errors.at(-1) }
  } catch (error) {
    return { error }
  } finally {
    for (const road of roads) {
      racing.delete(road)
      if (road !== won || over()) road.abort()
    }
  }
}

/** Pabal's own word, which it would have for every technique. */
const isWord = (error: unknown): boolean => error instanceof PabalError && !error.foreign
