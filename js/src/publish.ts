import type { Published, PublishOptions } from './channel.ts'
import { newID, type Pabal } from './client.ts'

export async function publish(client: Pabal, channel: string, data: unknown, options: PublishOptions): Promise<Published> {
  const { id = newID(), signal, ...rest } = options
  const reply = await client.send({ command: 'publish', channel, ...rest, ...dataOf(data), messageId: id }, signal)
  return { cursor: reply.cursor!, duplicate: reply.duplicate ?? false }
}

/** The members of a command that carry data: bytes in base64, all else as JSON has it. */
export function dataOf(data: unknown): Record<string, unknown> {
  const bytes = bytesOf(data)
  if (!bytes) {
    const text = JSON.stringify(data)
    // What JSON has no form for, such as a Map, would arrive as nothing.
    const lost = text === undefined || (text === '{}' && ![Object.prototype, null].includes(Object.getPrototypeOf(data) as object | null))
    if (lost) throw new TypeError(`publish: ${Object.prototype.toString.call(data)} has no form in JSON: give a string, bytes, or what has`)
    return { data }
  }
  let binary = ''
  for (let i = 0; i < bytes.length; i += 0x8000) binary += String.fromCharCode(...bytes.subarray(i, i + 0x8000))
  return { data: btoa(binary), encoding: 'base64' }
}

function bytesOf(data: unknown): Uint8Array | undefined {
  if (data instanceof ArrayBuffer) return new Uint8Array(data)
  return ArrayBuffer.isView(data) ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : undefined
}
