import { channelURL, type Answer, type Notice } from '../wire/wire.ts'

export interface Line {
  cursor: string
  text: string
}

export type Link = 'connecting' | 'live' | 'lost' | 'closed'

export interface Observer {
  line(line: Line): void
  link(link: Link): void
}

/**
 * Reads a channel by a native EventSource, from its last 20 messages on. It comes again by itself whatever ends a response,
 * but for one thing: the channel was closed, and all of it is read.
 */
export class Reader {
  private source: EventSource | undefined
  private again: ReturnType<typeof setTimeout> | undefined
  private cursor: string | undefined

  constructor(
    private readonly channel: string,
    private readonly on: Observer,
  ) {}

  /** Begins to read, or goes on where it was. Reading already, it does nothing. */
  open() {
    if (this.source) return
    const from = this.cursor ? { cursor: this.cursor } : { since: '20' }
    const source = new EventSource(channelURL(this.channel, { via: 'sse', ...from }))
    this.source = source
    source.onopen = () => this.on.link('live')
    source.onerror = () => {
      this.on.link('lost')
      if (source.readyState === EventSource.CLOSED) void this.gaveUp(source)
    }
    source.addEventListener('$open', ({ lastEventId }) => (this.cursor = lastEventId || this.cursor))
    source.addEventListener('$closed', ({ data }: MessageEvent<string>) => {
      if (isFinal(JSON.parse(data) as Notice)) this.end()
      else this.on.link('lost')
    })
    source.onmessage = ({ data, lastEventId }: MessageEvent<string>) => {
      this.cursor = lastEventId
      this.on.line({ cursor: lastEventId, text: data })
    }
  }

  /** Stops reading. Nothing is told after it returns. */
  close() {
    clearTimeout(this.again)
    this.source?.close()
    this.source = undefined
  }

  private end() {
    this.close()
    this.on.link('closed')
  }

  /**
   * An EventSource does not tell what it gave up for. It may be an error that will pass, or the 204 that a reader gets who had
   * read all of a channel before it was closed: a poll tells these apart.
   */
  private async gaveUp(source: EventSource) {
    const closed = this.cursor !== undefined && (await endsAt(this.channel, this.cursor))
    if (this.source !== source) return
    if (closed) return this.end()
    this.again = setTimeout(
      () => {
        this.close()
        this.open()
      },
      2000 + 3000 * Math.random(),
    )
  }
}

/** The channel is over: draining and unavailable only end a response. */
const isFinal = ({ reason }: Notice): boolean => reason === 'closed'

async function endsAt(channel: string, cursor: string): Promise<boolean> {
  try {
    const response = await fetch(channelURL(channel, { via: 'poll', cursor, limit: '1' }), { cache: 'no-store' })
    if (response.status !== 200) return false
    const { notices } = (await response.json()) as Answer
    return notices.some((notice) => notice.notice === '$closed' && isFinal(notice))
  } catch {
    return false
  }
}
