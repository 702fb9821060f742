import type { Play } from './play.ts'

/** Whether each play came once and in order: they are numbered one by one. */
export class Order {
  read = 0
  lost = 0
  repeated = 0
  private last: Play | undefined

  take(play: Play): void {
    const { last } = this
    // A server that was started again counts anew, with a match of its own.
    const another = !last || (play.match !== last.match && play.seq <= last.seq)
    if (!another && play.seq <= last.seq) {
      this.repeated++
      return
    }
    this.read++
    if (!another) this.lost += play.seq - last.seq - 1
    this.last = play
  }
}
