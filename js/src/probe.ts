import type { Reader } from './reader.ts'
import type { Road } from './road.ts'
import { sleep } from './time.ts'

/** How long a road that is open may take to show that nothing holds it back. */
const trial = 60_000

/** Tries what would be better than what reads, beside it. */
export async function probe(reader: Reader): Promise<void> {
  for (const technique of reader.ladder.better) {
    const road = await reader.open(technique).catch(() => undefined)
    if (!road) continue
    if (!reader.current || reader.changing) return road.abort() // another road is about to be taken, and sees to the next trial
    reader.candidate = road
    if ((await road.opening) && (await showsLife(road))) {
      reader.ladder.works(technique)
      return reader.adopt(road)
    }
    const replaced = reader.candidate !== road
    road.abort()
    if (replaced) return
    reader.candidate = undefined
  }
  reader.ladder.probed()
  reader.probeSoon(reader.ladder.probeAfter())
}

/** Waits for a sign of life after those that came as it opened: $open, and $live. Who can ask, asks. */
async function showsLife(road: Road): Promise<boolean> {
  const { link } = road
  if (link) return link({ command: 'ping' }).then(() => !road.over, () => false)
  const signs = road.signs + 1
  for (const began = Date.now(); !road.over && Date.now() - began < trial; ) {
    if (road.signs > signs) return true
    if (await Promise.race([road.done.then(() => true), sleep(200).then(() => false)])) return false
  }
  return false
}
