/** What this browser remembers of the visitor's choices. Storage may be forbidden: then nothing is, and all else works. */
export function recall(name: string): string | null {
  try {
    return localStorage.getItem(name)
  } catch {
    return null
  }
}

export function remember(name: string, value: string | undefined): void {
  try {
    if (value === undefined) localStorage.removeItem(name)
    else localStorage.setItem(name, value)
  } catch {
    // The choice holds for as long as this page does.
  }
}
