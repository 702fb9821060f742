import type { Pabal } from './client.ts'
import { race } from './race.ts'
import type { Reader } from './reader.ts'

/** Has client read by technique from now on; undefined: by the best there is. */
export async function hop(client: Pabal, technique: string | undefined): Promise<void> {
  const link = [...client.groups.values()].find((group) => group.reader.link)?.reader.link
  // Of tabs that share it is the host that hops.
  if (client.options.share && link) await link({ command: 'hop', technique })
  else await Promise.all([...client.groups.values()].map((group) => hopOne(group.reader, technique)))
}

async function hopOne(reader: Reader, technique: string | undefined): Promise<void> {
  const { techniques } = reader.client
  if (technique !== undefined && !techniques.has(technique)) {
    if (reader.forced === technique) reader.forced = undefined
    throw new Error(`hop: ${technique} is none of ${[...techniques.keys()].join(', ')}`)
  }
  const before = reader.forced
  reader.forced = technique
  if (!reader.running) return
  try {
    if (technique !== undefined) return await reader.change(technique)
    const { road, error } = await race(reader, [...techniques.keys()], () => !reader.running)
    if (!road) throw error ?? new Error('hop: no technique works now')
    reader.ladder.works(road.technique)
    reader.adopt(road)
  } catch (error) {
    if (reader.forced === technique) reader.forced = before
    throw error
  }
}
