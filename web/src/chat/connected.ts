import type { Member, Pabal, Status, Technique } from 'pabal'
import type { Connection } from './line.tsx'

/** A window with a client of its own: how that fares, by which technique it reads, and that it can be cut. */
export abstract class Connected implements Connection {
  status: Status = { state: 'idle', technique: undefined }
  isCut = false
  failed: Connection['failed']
  /** Who is here; undefined: that is not known. */
  members: Member[] | undefined
  protected pabal: Pabal | undefined
  /** Of the present client. */
  protected life = new AbortController()

  constructor(
    public technique: Technique | undefined,
    protected readonly changed: () => void,
  ) {}

  abstract connect(): void

  /** Goes on with this client. */
  protected begin(pabal: Pabal): void {
    this.end()
    this.isCut = false
    this.life = new AbortController()
    this.pabal = pabal
    pabal.onStatus((status) => this.pabal === pabal && this.fares(status))
    if (this.technique) this.choose(this.technique)
  }

  protected fares(status: Status): void {
    this.tell({ status })
  }

  /** Reads by this technique from now on, without a gap; undefined: by what works best. */
  choose(technique: Technique | undefined): void {
    this.tell({ technique, failed: undefined })
    const { pabal } = this
    pabal?.hop(technique).catch((error: Error) => {
      const still = this.pabal === pabal && this.technique === technique
      if (still && technique) this.tell({ failed: { technique, why: error.message } })
    })
  }

  /** As if the network were gone: the client ends, and with it all that it had open. */
  cut(): void {
    this.end()
    this.tell({ isCut: true })
  }

  end(): void {
    this.life.abort(new Error('the client was closed'))
    this.pabal?.close()
    this.pabal = this.members = this.failed = undefined
  }

  protected tell(what: Partial<Connected>): void {
    Object.assign(this, what)
    this.changed()
  }
}
