const keep = 1000

/** What the windows of a page have seen of a channel together, in the order of its log. */
export class Board {
  private cursors: string[] = []

  seen(cursor: string): void {
    if (this.cursors.includes(cursor)) return
    this.cursors.push(cursor)
    if (this.cursors.length > keep) this.cursors.shift()
  }

  /** How many of what was seen lies after cursor. */
  after(cursor: string | undefined): number {
    return this.cursors.length - 1 - this.cursors.lastIndexOf(cursor ?? '')
  }
}
