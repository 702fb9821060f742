/** What outlives a reload: how far each channel was read, for this tab; and by which technique this network was passed, for all. */
export class Memory {
  private cursors: Record<string, string> = {}
  private saving: ReturnType<typeof setTimeout> | undefined

  constructor(
    private readonly url: string,
    private readonly name: string | undefined,
  ) {
    this.cursors = read(store('sessionStorage'), this.place) ?? {}
  }

  cursor(channel: string): string | undefined {
    return this.name === undefined ? undefined : this.cursors[channel]
  }

  reached(channel: string, cursor: string): void {
    if (this.name === undefined) return
    this.cursors[channel] = cursor
    this.saving ??= setTimeout(() => this.save(), 100)
  }

  save(): void {
    clearTimeout(this.saving)
    this.saving = undefined
    if (this.name !== undefined) write(store('sessionStorage'), this.place, this.cursors)
  }

  /** What worked on this network, within a day. */
  technique(): string | undefined {
    const known = read<{ technique: string; at: number }>(store('localStorage'), this.road)
    return known && Date.now() - known.at < 86_400_000 ? known.technique : undefined
  }

  works(technique: string): void {
    write(store('localStorage'), this.road, { technique, at: Date.now() })
  }

  private get place(): string {
    return `pabal.cursors.${this.name} ${this.url}`
  }

  /** A page cannot tell networks apart but by their kind. */
  private get road(): string {
    const { connection } = (typeof navigator === 'undefined' ? {} : navigator) as { connection?: { type?: string } }
    return `pabal.road.${connection?.type ?? ''} ${this.url}`
  }
}

/** Storage that may be missing, forbidden or full: then nothing is remembered, and all else works. */
function store(name: 'localStorage' | 'sessionStorage'): Storage | undefined {
  try {
    return globalThis[name]
  } catch {
    return undefined
  }
}

function read<T>(from: Storage | undefined, key: string): T | undefined {
  try {
    return JSON.parse(from?.getItem(key) ?? 'null') ?? undefined
  } catch {
    return undefined
  }
}

function write(to: Storage | undefined, key: string, value: unknown): void {
  try {
    to?.setItem(key, JSON.stringify(value))
  } catch {
    // It is full, or forbidden.
  }
}
