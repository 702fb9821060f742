// The words of the client. What they mean on the wire is in spec/protocol.md and docs/http.md.

/** A message in its place in a channel's log. */
export interface Entry<T = unknown> {
  channel: string
  /** The place just after this entry: opaque, the same by every technique, on every node. */
  cursor: string
  /** When it was kept, RFC 3339. */
  time: string
  data: T
  type?: string
  id?: string
  key?: string
  contentType?: string
  /** The data is base64 of bytes that are no text. */
  encoding?: 'base64'
}

/** What the server says about the log itself: `$open`, `$live`, `$gap`, `$reset`, `$skipped`, `$closed`, `$expiring`. */
export interface Notice {
  notice: string
  channel?: string
  cursor?: string
  channels?: string[]
  cursors?: string[]
  /** Seconds within which there is a sign of life. */
  heartbeat?: number
  connection?: string
  from?: string
  to?: string
  reason?: string
  count?: number
  expires?: string
}

/** Where one channel is read from: after cursor, else by since (`all`, `now`, a number of entries, `10m`, a time). */
export interface Place {
  channel: string
  cursor?: string | undefined
  since?: string | undefined
}

/** What a command brought: see spec/protocol.md. An error is thrown as a {@link PabalError}. */
export interface Reply {
  ok: true
  channel?: string
  cursor?: string
  duplicate?: boolean
  expires?: string
  url?: string
}

/**
 * Sends a command; the promise fails with a PabalError, or with another error if it is not known what came of it. done is called with the
 * reply in its place between what is read.
 */
export type Command = (command: Record<string, unknown>, done?: (reply: Reply) => void) => Promise<Reply>

/** Counts what a technique costs. Bytes are those of bodies and messages, as near as a page can tell. */
export interface Meter {
  /** A request, or a WebSocket, was begun. */
  asked(): void
  /** Its answer began. */
  answered(): void
  took(bytes: number): void
}

/** What a transport reads, and how it gets there. */
export interface Target {
  /** The server, without a slash at the end: `https://example.org`. */
  url: string
  places: Place[]
  /** Of each key only the last entry that waits. */
  only?: 'latest' | undefined
  /** At least this long between batches, as `500ms`. */
  every?: string | undefined
  /** The connection's id, by which commands beside this read are of it. */
  connection?: string | undefined
  /** The cursor over all places that an answer gave. It goes before those of the places. */
  at?: string | undefined
  /** Milliseconds between polls at least. */
  interval?: number | undefined
  token?: string | undefined
  /** Milliseconds of silence that a transport takes for a failure before $open has said how often there is a sign of life. */
  patience: number
  meter?: Meter | undefined
  /** Told by a transport that goes through another client how that fares. */
  told?: ((status: Status) => void) | undefined
  /** Told by it that a channel cannot be read, ever. */
  refused?: ((channel: string, error: unknown) => void) | undefined
  /** Given by a transport that can also send, once it is open: commands go that way. */
  link?: ((command: Command) => void) | undefined
}

/** What a read brought. The notices come before the entries; an empty batch is a sign that the road works. */
export interface Batch {
  entries: Entry[]
  notices: Notice[]
  /** Where the target's only channel is read up to, where an answer says it. */
  cursor?: string | undefined
  /** Called when all that came before has been taken. */
  settle?: (() => void) | undefined
}

/**
 * One technique. It yields what follows the target's places, in order, until the server ends the response (it returns), something
 * fails (it throws), or the signal says so (it returns). Whoever goes on at the last cursors it yielded misses nothing.
 */
export type Transport = (to: Target, signal: AbortSignal) => AsyncGenerator<Batch>

export type Technique = 'websocket' | 'sse' | 'eventsource' | 'stream' | 'longpoll' | 'poll'

/** How the client fares. It is `live` only while a road is open and shows signs of life. */
export type State = 'idle' | 'connecting' | 'live' | 'waiting' | 'offline' | 'paused' | 'closed'

export interface Status {
  state: State
  /** The technique that reads now, or that was the last to. */
  technique: string | undefined
  /** Why it is not live, for people. */
  reason?: string | undefined
  /** When the next attempt is due, in milliseconds as Date.now has them. */
  retryAt?: number | undefined
}
