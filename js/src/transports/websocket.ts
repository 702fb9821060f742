import { PabalError, RoadError, TokenError, type Problem } from '../error.ts'
import { deferred, type Deferred } from '../time.ts'
import type { Batch, Command, Reply, Target } from '../types.ts'
import { batchOf, byteLength, patienceOf, readURL, sign } from '../wire.ts'
import { Watch } from './body.ts'
import { listen, type Sink } from './listen.ts'

/** One WebSocket with the subprotocol `pabal.v1`, both ways: commands go up it too (spec/protocol.md). */
export async function* read(to: Target, signal: AbortSignal): AsyncGenerator<Batch> {
  if (typeof WebSocket === 'undefined') throw new RoadError('there is no WebSocket here')
  yield* listen(signal, (sink) => new Socket(to, sink).stop)
}

class Socket {
  private readonly socket: WebSocket
  private readonly watch: Watch
  private readonly waiting = new Map<number, Deferred<Reply> & { done: ((reply: Reply) => void) | undefined }>()
  private id = 0
  private opened = false

  constructor(
    private readonly to: Target,
    private readonly sink: Sink,
  ) {
    const protocols = ['pabal.v1']
    if (to.token) protocols.push(`pabal.token.${to.token}`)
    this.socket = new WebSocket(readURL(to, 'websocket').replace(/^http/, 'ws'), protocols)
    to.meter?.asked()
    this.watch = new Watch(to.patience)
    this.watch.signal.addEventListener('abort', () => this.end(this.watch.signal.reason))
    this.socket.onopen = () => {
      this.opened = true
      to.meter?.answered()
      to.link?.(this.command)
    }
    this.socket.onmessage = ({ data }: MessageEvent<string>) => this.hear(data)
    this.socket.onclose = ({ code, reason }) => this.end(this.reasonOf(code, reason))
  }

  readonly stop = (): void => {
    this.watch.stop()
    this.socket.onmessage = this.socket.onclose = null
    this.socket.close()
    this.forget()
  }

  private readonly command: Command = (command, done) => {
    const reply = { ...deferred<Reply>(), done }
    if (this.socket.readyState !== WebSocket.OPEN) return Promise.reject(new Error('the WebSocket is closed'))
    const id = ++this.id
    this.waiting.set(id, reply)
    this.socket.send(JSON.stringify({ id, ...command }))
    return reply.promise
  }

  private hear(text: string): void {
    this.watch.feed()
    this.to.meter?.took(byteLength(text))
    if (!text) return this.sink.put(sign())
    try {
      const said = JSON.parse(text) as { id?: number; ok?: true; error?: Problem }
      if (said.ok || said.error) return this.answer(said)
      const batch = batchOf(said)
      if (!batch) return
      this.watch.limit = patienceOf(batch) ?? this.watch.limit
      this.sink.put(batch)
    } catch (error) {
      this.end(error)
    }
  }

  private answer({ id, error, ...reply }: { id?: number; error?: Problem }): void {
    const settle = () => {
      const waits = this.waiting.get(id ?? 0)
      this.waiting.delete(id ?? 0)
      if (error) return waits?.reject(new PabalError(error))
      waits?.done?.(reply as Reply)
      waits?.resolve(reply as Reply)
    }
    this.sink.put({ ...sign(), settle })
  }

  private end(error: unknown): void {
    this.watch.stop()
    if (error === undefined) this.sink.end()
    else this.sink.fail(error)
    this.socket.close()
    this.forget()
  }

  private forget(): void {
    for (const reply of this.waiting.values()) reply.reject(new Error('the WebSocket ended before the answer came'))
    this.waiting.clear()
  }

  /** 1000 and 1001 are a server that ends in order. Before it is open, a page cannot see why: not even a status. */
  private reasonOf(code: number, reason: string): unknown {
    if (!this.opened) return new Error('no WebSocket was opened')
    if (code === 1000 || code === 1001) return undefined
    if (code === 4002) return new TokenError('the token has expired')
    return new Error(reason || `the WebSocket was closed with ${code}`)
  }
}
