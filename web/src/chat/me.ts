import { newID } from './id.ts'
import { longestName } from './message.ts'
import type { Store } from './store.ts'

const personKey = 'pabal.chat.person'
const nameKey = 'pabal.chat.name'

/** Who writes in this browser: all its tabs are one person. */
export class Me {
  readonly person: string
  name: string

  constructor(
    private readonly store: Store,
    guest: string,
  ) {
    this.person = store.get(personKey) ?? newID()
    store.set(personKey, this.person)
    this.name = store.get(nameKey) ?? `${guest} ${100 + (parseInt(this.person.slice(0, 6), 16) % 900)}`
  }

  rename(name: string): boolean {
    const tidy = [...name.trim()].slice(0, longestName).join('')
    if (!tidy || tidy === this.name) return false
    this.name = tidy
    this.store.set(nameKey, tidy)
    return true
  }

  /** Another tab has changed the name. It reports whether it is another. */
  look(): boolean {
    const name = this.store.get(nameKey) ?? this.name
    if (name === this.name) return false
    this.name = name
    return true
  }
}
