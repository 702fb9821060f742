import { problemOf } from '../../../js/src/problem.ts'

/** What the server can do to connections in development mode; zero is nothing. */
export interface Faults {
  delayMs: number
  /** Connections are cut at random, after so long in the middle. */
  lifeMs: number
  /** Connections are cut at this age. */
  maxLifeMs: number
  /** Of a response nothing passes until so many bytes are together. */
  buffer: number
  stripUpgrade: boolean
}

export const none: Faults = { delayMs: 0, lifeMs: 0, maxLifeMs: 0, buffer: 0, stripUpgrade: false }

export const isNone = (faults: Faults): boolean => Object.values(faults).every((value) => !value)

/** Whether this server makes trouble on demand. */
export async function offered(signal: AbortSignal): Promise<boolean> {
  const response = await fetch('/dev', { signal, headers: { Accept: 'application/json' } })
  if (!response.ok) return false
  const { trouble } = (await response.json()) as { trouble?: boolean }
  return trouble === true
}

/** A road of one's own to the server on which there is trouble. */
export class Trouble {
  faults = none
  private readonly path: string

  constructor(id: string) {
    this.path = `/trouble/${id}`
  }

  /** The server's address as it is read from at present. */
  get url(): string {
    return isNone(this.faults) ? location.origin : `${location.origin}${this.path}/via`
  }

  /** Connections that begin from now on have these faults, and those there are are cut. */
  async set(faults: Faults): Promise<void> {
    if (isNone(faults)) await this.ask('', 'DELETE')
    else {
      const said = Object.fromEntries(Object.entries(faults).filter(([, value]) => value))
      await this.ask('', 'PUT', JSON.stringify(said))
      await this.ask('/cut', 'POST')
    }
    this.faults = faults
  }

  /** Also while the page is being left. */
  end(): void {
    const leave = () => {} // nobody is there any more to be told
    if (!isNone(this.faults)) void fetch(this.path, { method: 'DELETE', keepalive: true }).catch(leave)
  }

  private async ask(path: string, method: string, body?: string): Promise<void> {
    const headers = { 'Content-Type': 'application/json' }
    const response = await fetch(this.path + path, { method, ...(body && { body, headers }) })
    const gone = method === 'DELETE' && response.status === 404 // it has ended by itself
    if (!response.ok && !gone) throw await problemOf(response)
  }
}
