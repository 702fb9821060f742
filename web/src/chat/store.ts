/** A store of the browser. It may be missing, forbidden or full: then what it is given lives as long as the page. */
export class Store {
  private readonly kept = new Map<string, string>()

  constructor(private readonly name: 'localStorage' | 'sessionStorage') {}

  get(key: string): string | undefined {
    return this.try((storage) => storage.getItem(key)) ?? this.kept.get(key)
  }

  set(key: string, value: string): void {
    this.kept.delete(key)
    if (this.try((storage) => (storage.setItem(key, value), true)) === undefined) this.kept.set(key, value)
  }

  remove(key: string): void {
    this.kept.delete(key)
    this.try((storage) => storage.removeItem(key))
  }

  /** The keys that begin with prefix. */
  keys(prefix: string): string[] {
    const inStorage = this.try((storage) => Array.from({ length: storage.length }, (_, i) => storage.key(i) ?? '')) ?? []
    return [...new Set([...inStorage, ...this.kept.keys()])].filter((key) => key.startsWith(prefix))
  }

  private try<T>(act: (storage: Storage) => T): T | undefined {
    try {
      return act(globalThis[this.name])
    } catch {
      return undefined
    }
  }
}
