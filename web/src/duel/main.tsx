import { connect, PabalError, type Entry, type Notice, type Status, type Subscription, type Technique } from 'pabal'
import { untilKnown } from '../chat/again.ts'
import { Connected } from '../chat/connected.ts'
import { newID } from '../chat/id.ts'
import { techniques } from '../chat/line.tsx'
import { segmentOf } from '../chat/room.ts'
import { page } from '../shell/shell.tsx'
import { App } from './app.tsx'
import { isAllowed, newGame, step, type Act, type Game } from './game.ts'
import { Rounds } from './rounds.ts'

/** An act that was published, of which the log has not told yet. */
interface Pending {
  id: string
  act: Act
  /** The end of the log as it was when the act was chosen. */
  ifMatch: string | undefined
  /** The log had moved on. This window has yet to read up to where. */
  behind?: true
}

/** One window on one game: what the entries of its channel make of an empty board, which is the same in every window. */
export class Duel extends Connected {
  game: Game = newGame
  pending: Pending | undefined
  /** What became of the last act: somebody else's came first, or the server does not take it. */
  told: { late: true } | { refused: string } | undefined
  unreadable = ''
  readonly rounds = new Rounds()
  private reading: Subscription | undefined
  private cursor: string | undefined
  private readonly read = new Set<string>()
  private readonly channel: string

  constructor(
    readonly room: string,
    /** Who this window is. Whoever knows it can play in its stead: without tokens there is no more than that. */
    readonly player: string,
    technique: Technique | undefined,
    changed: () => void,
  ) {
    super(technique, changed)
    this.channel = `duel/${segmentOf(room)}`
  }

  /** Reads the game from its beginning, or goes on where the window was cut. */
  connect(): void {
    const pabal = connect(undefined, { techniques, hidden: 'keep' })
    this.begin(pabal)
    const { cursor } = this
    this.reading = pabal.channel<Act>(this.channel).subscribe((entry) => this.hear(entry), {
      ...(cursor === undefined ? { since: 'all' } : { cursor }),
      notice: (notice) => this.heardNotice(notice),
      error: (error) => this.tell({ unreadable: (error as Error).message }),
    })
    const { presence } = pabal.channel(this.channel)
    presence.watch((members) => this.pabal === pabal && this.tell({ members }))
    presence.enter({ player: this.player }).catch(() => {}) // where that is not allowed, nobody is shown
    if (this.pending && !this.pending.behind) void this.publish(this.pending)
  }

  private hear(entry: Entry<Act>): void {
    this.read.add(entry.cursor)
    this.rounds.heard(entry.id)
    if (entry.id === this.pending?.id) this.pending = undefined
    this.tell({ game: step(this.game, entry) })
    this.tryAgain()
  }

  private heardNotice({ notice }: Notice): void {
    if (notice === '$reset') this.tell({ game: newGame }) // the log was begun anew, and with it the game
    this.tryAgain()
  }

  /** Joins, moves, begins anew: if the game as it is allows that. */
  act(act: Act): void {
    if (!this.pabal || this.pending || !isAllowed(this.game, act)) return
    const pending = { id: newID(), act, ifMatch: this.reading?.cursor }
    this.tell({ pending, told: undefined })
    this.rounds.begin(pending.id, this.status.state === 'live' ? this.status.technique : undefined)
    void this.publish(pending)
  }

  /** Of two acts in answer to one entry the log takes one. The other is refused with 412, and where the log ends now. */
  private async publish(pending: Pending): Promise<void> {
    const { id, act, ifMatch } = pending
    const { type, ...data } = act
    const channel = this.pabal!.channel(this.channel)
    try {
      const options = { type, id, ...(ifMatch !== undefined && { ifMatch }) }
      await untilKnown(() => channel.publish(data, options), this.life.signal)
    } catch (error) {
      // If the client was closed, it is not known what came of it: the next one publishes it again, under the same ID.
      if (this.pending !== pending || !(error instanceof PabalError)) return
      if (error.status !== 412) return this.tell({ pending: undefined, told: { refused: error.message } })
      this.pending = { ...pending, ifMatch: error.cursor, behind: true }
      this.tryAgain()
    }
  }

  /** Once this window has read what came first, an act that is still allowed is published after that. Another is over. */
  private tryAgain(): void {
    const { pending } = this
    if (!pending?.behind || !this.hasRead(pending.ifMatch)) return
    const { behind: _, ...again } = pending
    const allowed = isAllowed(this.game, again.act)
    this.tell(allowed ? { pending: again } : { pending: undefined, told: { late: true } })
    if (allowed) void this.publish(again)
  }

  private hasRead(cursor: string | undefined): boolean {
    return cursor === undefined || this.read.has(cursor) || this.reading?.cursor === cursor
  }

  protected override fares(status: Status): void {
    this.rounds.by(status.state === 'live' ? status.technique : undefined)
    super.fares(status)
  }

  override end(): void {
    this.cursor = this.reading?.cursor ?? this.cursor
    this.rounds.by(undefined)
    super.end()
  }

  protected override tell(what: Partial<Duel>): void {
    super.tell(what)
  }
}

page('duel', () => <App Duel={Duel} />, { en: 'Duel', ko: '대결' })
