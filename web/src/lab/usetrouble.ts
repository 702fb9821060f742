import { useEffect, useState } from 'preact/hooks'
import type { Lab } from './lab.ts'
import { none, offered, type Faults } from './trouble.ts'

export interface Troubles {
  /** Whether there is trouble to be had, and if not, why. */
  offer: 'asking' | 'yes' | 'off' | 'h2'
  /** What was chosen. It shows at once; the server is told of the last choice after a moment without another. */
  chosen: Faults
  choose: (faults: Faults) => void
  failure: string | undefined
}

export function useTrouble(lab: Lab, changed: () => void): Troubles {
  const offer = useOffer(lab)
  const [failure, setFailure] = useState<string>()
  const [chosen, choose] = useState<Faults>(none)
  useEffect(() => {
    if (offer !== 'yes' || chosen === lab.trouble.faults) return
    const timer = setTimeout(async () => {
      try {
        await lab.makeTrouble(chosen)
        setFailure(undefined)
      } catch (error) {
        setFailure((error as Error).message)
        choose(lab.trouble.faults)
      }
      changed()
    }, 250)
    return () => clearTimeout(timer)
  }, [chosen, offer])
  return { offer, chosen, choose, failure }
}

function useOffer(lab: Lab): Troubles['offer'] {
  const [offer, setOffer] = useState<Troubles['offer']>(lab.road === 'h2' ? 'h2' : 'asking')
  useEffect(() => {
    if (lab.road === 'h2') return
    const stop = new AbortController()
    offered(stop.signal).then(
      (yes) => setOffer(yes ? 'yes' : 'off'),
      () => stop.signal.aborted || setOffer('off'),
    )
    return () => stop.abort()
  }, [lab])
  return offer
}
