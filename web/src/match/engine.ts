import { useEffect, useState } from 'preact/hooks'
import { ask, type Dev, type Lag, type Without } from './dev.ts'

/** For how long the crowd's lag is kept, in seconds: it is asked for once a second. */
export const kept = 120

/** The crowd's lag as it was at a time, in seconds. */
export interface Sample {
  at: number
  lag: Lag | null
}

export interface Engine {
  /** What the engine last said; undefined: nothing yet. */
  dev: Dev | Without | undefined
  samples: readonly Sample[]
  /** Why it could not be asked, last. */
  error: string | undefined
  /** Does something about it, and takes what it then says. */
  act(answer: Promise<Dev | Without>): Promise<void>
}

/**
 * The engine, asked once a second while somebody sees the page. Where there is none it is asked again only once the page
 * was connected anew: the server may be another.
 */
export function useEngine(connected: boolean): Engine {
  const [dev, setDev] = useState<Dev | Without>()
  const [samples, setSamples] = useState<readonly Sample[]>([])
  const [error, setError] = useState<string>()
  const hear = (said: Dev | Without) => {
    setDev(said)
    setError(undefined)
  }
  useEffect(() => {
    const stop = new AbortController()
    let timer: ReturnType<typeof setTimeout>
    const look = async () => {
      let there = true
      try {
        if (document.visibilityState === 'visible') {
          const said = await ask(stop.signal)
          there = typeof said === 'object'
          hear(said)
          if (typeof said === 'object') {
            const sample = { at: Date.now() / 1000, lag: said.lag }
            setSamples((all) => [...all.slice(1 - kept), sample])
          }
        }
      } catch (reason) {
        if (!stop.signal.aborted) setError((reason as Error).message)
      }
      if (there && !stop.signal.aborted) timer = setTimeout(look, 1000)
    }
    void look()
    return () => {
      stop.abort()
      clearTimeout(timer)
    }
  }, [connected])
  const act = (answer: Promise<Dev | Without>) => answer.then(hear, (reason: Error) => setError(reason.message))
  return { dev, samples, error, act }
}
