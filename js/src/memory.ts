import { read, write } from './storage.ts'

/** How far each channel was read, for this tab: it outlives a reload. */
export class Memory {
  private readonly key: string
  private readonly cursors: Record<string, string>
  private saving: ReturnType<typeof setTimeout> | undefined

  constructor(url: string, name: string) {
    this.key = `pabal.cursors.${name} ${url}`
    this.cursors = read('sessionStorage', this.key) ?? {}
  }

  cursor(channel: string): string | undefined {
    return this.cursors[channel]
  }

  reached(channel: string, cursor: string): void {
    this.cursors[channel] = cursor
    this.saving ??= setTimeout(() => this.save(), 100)
  }

  save(): void {
    clearTimeout(this.saving)
    this.saving = undefined
    write('sessionStorage', this.key, this.cursors)
  }
}
