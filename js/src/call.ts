import type { CallOptions } from './channel.ts'
import { newID, type Pabal } from './client.ts'
import { PabalError, type Problem } from './error.ts'
import { dataOf } from './publish.ts'
import { deferred } from './time.ts'
import type { Entry } from './types.ts'

/** After which a call is asked again: the node that was asked may be gone. It is asked once, however often. */
const again = 15_000

/** Asks the application, and resolves with its answer, whose parts it gives as they come. */
export async function call(
  client: Pabal,
  channel: string,
  data: unknown,
  { timeout, part, signal }: CallOptions,
): Promise<unknown> {
  signal?.throwIfAborted()
  const id = newID()
  const answer = deferred<unknown>()
  const command = { command: 'call', channel, call: id, ...dataOf(data), ...(timeout !== undefined && { timeout }) }
  const inquiries = await client.inquiries()
  const forget = inquiries.inbox(id, (entry) => take(entry, answer, part))
  const asked = new AbortController()
  const ask = () => void client.send(command, asked.signal).catch((error: unknown) => answer.reject(error))
  const cancel = () => {
    answer.reject(signal!.reason)
    client.send({ command: 'cancel', call: id }).catch(() => {}) // it ends by itself, too
  }
  signal?.addEventListener('abort', cancel)
  let timer: ReturnType<typeof setInterval> | undefined
  try {
    await Promise.race([inquiries.name(), answer.promise])
    timer = setInterval(ask, again)
    ask()
    return await answer.promise
  } finally {
    clearInterval(timer)
    asked.abort(new Error('the call is over'))
    signal?.removeEventListener('abort', cancel)
    forget()
  }
}

function take({ type, data }: Entry, answer: ReturnType<typeof deferred<unknown>>, part?: (data: unknown) => void): void {
  if (type === 'part') part?.(data)
  else if (type === 'answer') answer.resolve(data)
  else if (type === 'failed') answer.reject(new PabalError(data as Problem))
}
