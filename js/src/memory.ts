import type { ReadOptions } from './reader.ts'
import { read, write } from './storage.ts'

/** How far each channel was read, for this tab: it outlives a reload. */
export class Memory {
  private readonly key: string
  private readonly cursors: Record<string, string>
  private saving: ReturnType<typeof setTimeout> | undefined

  constructor(url: string, name: string) {
    this.key = `pabal.cursors.${name} ${url}`
    this.cursors = Object.assign(Object.create(null), read('sessionStorage', this.key))
  }

  cursor(channel: string): string | undefined {
    return this.cursors[channel]
  }

  reached({ only, every }: ReadOptions, channel: string | undefined, cursor: string | undefined): void {
    // The inbox is another's after a reload, and how far the latest were read says nothing of the others.
    if (!channel || !cursor || only || every || channel.startsWith('$conn/')) return
    this.cursors[channel] = cursor
    this.saving ??= setTimeout(() => this.save(), 100)
  }

  save(): void {
    clearTimeout(this.saving)
    this.saving = undefined
    write('sessionStorage', this.key, this.cursors)
  }
}
