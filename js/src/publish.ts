import type { Published, PublishOptions } from './channel.ts'
import { newID, type Pabal } from './client.ts'

export async function publish(client: Pabal, channel: string, data: unknown, options: PublishOptions): Promise<Published> {
  const { id = newID(), signal, ...rest } = options
  const reply = await client.send({ command: 'publish', channel, ...rest, ...dataOf(data), messageId: id }, signal)
  return { cursor: reply.cursor!, duplicate: reply.duplicate ?? false }
}

/** The members of a command that carry data. */
export function dataOf(data: unknown): Record<string, unknown> {
  if (!(data instanceof Uint8Array)) return { data }
  let binary = ''
  for (let i = 0; i < data.length; i += 0x8000) binary += String.fromCharCode(...data.subarray(i, i + 0x8000))
  return { data: btoa(binary), encoding: 'base64' }
}
