/** Reads what was stored as JSON. Storage may be missing or forbidden: then there is nothing. */
export function read<T>(storage: 'localStorage' | 'sessionStorage', key: string): T | undefined {
  try {
    return JSON.parse(globalThis[storage].getItem(key) ?? 'null') ?? undefined
  } catch {
    return undefined
  }
}

/** Stores value as JSON, if there is a storage that takes it. */
export function write(storage: 'localStorage' | 'sessionStorage', key: string, value: unknown): void {
  try {
    globalThis[storage].setItem(key, JSON.stringify(value))
  } catch {
    // It is missing, forbidden or full: nothing is remembered, and all else works.
  }
}
