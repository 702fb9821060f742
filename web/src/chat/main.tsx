import { connect, type Channel, type Entry, type Notice, type Pabal, type Subscription, type Technique } from 'pabal'
import { page } from '../shell/shell.tsx'
import { App } from './app.tsx'
import { Connected } from './connected.ts'
import { newID } from './id.ts'
import { techniques } from './line.tsx'
import type { Me } from './me.ts'
import { Meanwhile } from './meanwhile.ts'
import type { Said } from './message.ts'
import type { Outbox } from './outbox.ts'
import { Past } from './past.ts'
import type { Shown } from './people.ts'
import { channelOf } from './room.ts'
import { Sender } from './sender.ts'
import { Talk } from './talk.ts'
import { Typing, Writer, type Writing } from './typing.ts'

/** One window on one room, and the client by which it reads, sends and is present. */
export class Chat extends Connected {
  closed = false
  /** Why the room cannot be read, or is not entered. */
  troubles: { read?: string; presence?: string } = {}
  readonly talk = new Talk()
  readonly past = new Past(this.talk, this.changed)
  readonly typing = new Typing()
  readonly sender: Sender
  private readonly window = newID()
  private readonly writer = new Writer()
  private reading: Subscription | undefined
  private cursor: string | undefined
  private meanwhile: Meanwhile | undefined

  constructor(
    readonly room: string,
    readonly me: Me,
    readonly outbox: Outbox,
    technique: Technique | undefined,
    changed: () => void,
  ) {
    super(technique, changed)
    this.sender = new Sender(outbox, room, changed)
  }

  /** Begins with the last messages, or goes on where the window was cut. */
  connect(): void {
    const pabal = connect(undefined, { techniques, hidden: 'keep' })
    this.begin(pabal)
    this.closed = false
    this.troubles = {}
    const { cursor } = this
    this.reading = this.roomOf(pabal).subscribe((entry) => this.hear(entry), {
      ...(cursor === undefined ? { since: '50' } : { cursor }),
      notice: (notice) => this.told(notice),
      error: (error) => this.tell({ troubles: { ...this.troubles, read: (error as Error).message } }),
    })
    const unseen = () => {} // nobody is seen to write: what can be said of the channel is said of the room's
    this.typingOf(pabal).subscribe((entry) => this.typing.hear(entry) && this.changed(), { error: unseen })
    this.roomOf(pabal).presence.watch((members) => this.pabal === pabal && this.tell({ members }))
    this.enter()
    this.sender.start(pabal)
    if (cursor !== undefined) this.countFrom(cursor, pabal)
  }

  /** Is present, under the name of the moment, for as long as this client is there. */
  enter(): void {
    const { pabal, life, window } = this
    const { person, name } = this.me
    const shown: Shown = { person, name, window }
    if (!pabal) return
    this.roomOf(pabal)
      .presence.enter(shown)
      .catch((error: Error) => life.signal.aborted || this.tell({ troubles: { ...this.troubles, presence: error.message } }))
  }

  /** It was cut at cursor: the messages that came since are shown as that, and counted. */
  private countFrom(cursor: string, pabal: Pabal): void {
    this.meanwhile = new Meanwhile(cursor, ({ id }) => id !== undefined && this.sender.sent.has(id))
    this.talk.cut(this.meanwhile)
    const cutAgain = () => {} // or not to be read, which is said already
    this.meanwhile.ask(this.roomOf(pabal), this.life.signal).then(this.changed, cutAgain)
  }

  private hear(entry: Entry<Said>): void {
    this.typing.clock(entry)
    const message = this.talk.hear(entry)
    if (message?.id !== undefined) this.outbox.remove(message.id)
    if (message?.person !== undefined) this.typing.stop(message.person)
    if (message) this.meanwhile?.hear(message)
    this.changed()
  }

  private told(notice: Notice): void {
    this.talk.told(notice)
    this.tell({ closed: this.closed || (notice.notice === '$closed' && notice.reason === 'closed') })
  }

  /** It is shown at once as not sent yet; without a connection it waits, also for the next page. */
  send(text: string): void {
    this.sender.send({ person: this.me.person, name: this.me.name, text })
  }

  writes(writing: boolean): void {
    if (this.pabal && this.status.state === 'live') this.writer.tell(this.typingOf(this.pabal), this.me, writing)
  }

  older(): void {
    if (this.pabal) void this.past.load(this.roomOf(this.pabal))
  }

  override end(): void {
    this.cursor = this.reading?.cursor ?? this.cursor
    this.sender.stop()
    super.end()
  }

  private roomOf(pabal: Pabal): Channel<Said> {
    return pabal.channel(channelOf(this.room))
  }

  private typingOf(pabal: Pabal): Channel<Writing> {
    return pabal.channel(`${channelOf(this.room)}/typing`)
  }

  protected override tell(what: Partial<Chat>): void {
    super.tell(what)
  }
}

page('chat', () => <App Chat={Chat} />, { en: 'Chat', ko: '채팅' })
