import './match.css'
import './board.css'
import './panel.css'
import { connect, type Entry, type Status, type SubscribeOptions, type Technique } from 'pabal'
import { useEffect, useReducer, useRef, useState } from 'preact/hooks'
import { page } from '../shell/shell.tsx'
import { Commentary } from './commentary.tsx'
import { Crowd } from './crowd.tsx'
import { useEngine } from './engine.ts'
import { follow, momentOf } from './match.ts'
import { Nothing } from './nothing.tsx'
import { Order } from './order.ts'
import { playOf } from './play.ts'
import { Scoreboard } from './scoreboard.tsx'
import { Timeline } from './timeline.tsx'
import { techniques, Viewer } from './viewer.tsx'
import { text } from './words.ts'

const pabal = connect(undefined, { techniques })
const plays = pabal.channel('demo/match')
const scores = pabal.channel<{ since?: string }>('demo/match/score')

/** Calls take for each play of the match that is on, from its first, and for all that follow. */
async function readMatch(take: (entry: Entry) => void, options: SubscribeOptions): Promise<void> {
  // The last score says since when its match goes on. Without one, whatever there is is read.
  const { entries } = await scores.history({ only: 'latest' })
  const since = entries.map(({ data }) => data?.since).findLast((time) => time && Date.parse(time)) ?? 'all'
  plays.subscribe(take, { since, ...options })
}

/** The match as it is read, play by play. */
function useMatch() {
  const [match, take] = useReducer(follow, undefined)
  const [read, setRead] = useState<boolean | string>(false)
  const order = useRef(new Order())
  const [lag, setLag] = useState<number>()
  useEffect(() => {
    const stop = new AbortController()
    const opened = Date.now()
    let cursor: string | undefined // where to go on, should the channel have been refused
    const hear = (entry: Entry) => {
      cursor = entry.cursor
      const play = playOf(entry.data)
      if (play) order.current.take(play)
      const published = Date.parse(entry.time)
      if (play && published > opened) setLag(Date.now() - published) // what was there before has no lag
      take(entry)
    }
    const fail = (error: unknown) => {
      setRead((error as Error).message)
      setTimeout(begin, 3000)
    }
    const begin = () => {
      if (stop.signal.aborted) return
      readMatch(hear, { cursor, error: fail, signal: stop.signal }).then(() => setRead(true), fail)
    }
    begin()
    return () => stop.abort()
  }, [])
  return { match, read, order: order.current, lag }
}

function useStatus(): Status {
  const [status, setStatus] = useState(pabal.status)
  useEffect(() => pabal.onStatus(setStatus), [])
  return status
}

function App() {
  const { match, read, order, lag } = useMatch()
  const status = useStatus()
  const engine = useEngine(status.state === 'live')
  // How many plays the viewer has gone back to; undefined: the viewer is live.
  const [back, goTo] = useState<number>()
  useEffect(() => goTo(undefined), [match?.id])
  const moment = match && momentOf(match, back)
  const t = text()
  return (
    <>
      <div class="match-head">
        <h1>{t.title}</h1>
        <p class="lead">{t.lead}</p>
      </div>
      {match && moment ? (
        <section class="card board" aria-label={t.score}>
          <Scoreboard match={match} moment={moment} live={back === undefined} />
          <Timeline match={match} moment={moment} live={back === undefined} goTo={goTo} />
        </section>
      ) : (
        <Nothing read={read} engine={engine.dev} />
      )}
      <div class="match-body">
        {match && moment && <Commentary match={match} moment={moment} live={back === undefined} />}
        <div class="match-side">
          <Viewer status={status} order={order} lag={lag} watchAs={(technique?: Technique) => pabal.hop(technique)} />
          <Crowd engine={engine} />
        </div>
      </div>
    </>
  )
}

page('match', App, { en: 'Match', ko: '경기 중계' })
