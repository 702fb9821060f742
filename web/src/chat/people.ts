import type { Member } from 'pabal'
import { longestName } from './message.ts'

/** A person who is here, in one window or several. */
export interface Person {
  person: string
  name: string
  windows: number
}

/** What a window shows of itself where it is present. */
export interface Shown {
  person: string
  name: string
  /** Tells it apart. One that was cut and is back may be present twice for some seconds: it is one window nevertheless. */
  window: string
}

/** Who is here, by person: I first, then by name. Who says nothing of themselves is nobody's window. */
export function peopleOf(members: Member[], me: string): { people: Person[]; unnamed: number } {
  const windows = new Map<string, Set<string>>()
  const people = new Map<string, Person>()
  let unnamed = 0
  for (const { key, data } of members) {
    const { person, name, window = key } = (data ?? {}) as Partial<Shown>
    if (typeof person !== 'string' || typeof name !== 'string') unnamed++
    else {
      const all = (windows.get(person) ?? new Set()).add(window)
      windows.set(person, all)
      people.set(person, { person, name: name.slice(0, longestName), windows: all.size })
    }
  }
  const byName = (a: Person, b: Person) =>
    Number(b.person === me) - Number(a.person === me) || a.name.localeCompare(b.name) || (a.person < b.person ? -1 : 1)
  return { people: [...people.values()].sort(byName), unnamed }
}
