import { useEffect, useMemo, useReducer } from 'preact/hooks'
import { Hop } from './hop.ts'
import { Lab } from './lab.ts'

export interface Bench {
  lab: Lab
  hop: Hop
  renderAnew: () => void
}

/** The Lab and its hopping reader, for as long as the page is there; numbers are shown anew four times a second. */
export function useLab(begin: (lab: Lab) => void): Bench {
  const [, renderAnew] = useReducer((n: number, _: void) => n + 1, 0)
  const bench = useMemo(() => {
    const lab = new Lab()
    return { lab, hop: new Hop(`${lab.channel}/hop`, renderAnew), renderAnew }
  }, [])
  useEffect(() => {
    const { lab, hop } = bench
    lab.changed = renderAnew
    const timer = setInterval(renderAnew, 250)
    const leave = () => {
      hop.leave()
      lab.leave()
    }
    // A page that comes back from the browser's memory has let go of all it had: it begins anew.
    const back = (event: PageTransitionEvent) => event.persisted && location.reload()
    const endSight = watchSight(lab)
    addEventListener('pagehide', leave)
    addEventListener('pageshow', back)
    begin(lab)
    return () => {
      clearInterval(timer)
      endSight()
      removeEventListener('pagehide', leave)
      removeEventListener('pageshow', back)
      leave()
    }
  }, [])
  return bench
}

/** What nobody sees lets go of its connections, since all tabs share them; a measurement of it would not be true. */
function watchSight(lab: Lab): () => void {
  let wasLive = false
  const look = () => {
    if (document.visibilityState === 'hidden') {
      wasLive = lab.phase === 'live'
      if (wasLive || lab.phase === 'measuring') void lab.stop('hidden')
    } else if (wasLive && lab.phase === 'hidden') void lab.live()
  }
  document.addEventListener('visibilitychange', look)
  return () => document.removeEventListener('visibilitychange', look)
}
