import { span, type Point } from './lanestate.ts'

interface Props {
  points: Point[]
  /** The furthest entry of any lane: the right edge, the same for all. */
  head: number
  value: (data: Record<string, unknown>) => number
  range: [number, number]
}

const width = 240
const height = 40
const inset = 3

/** The last entries by their place in the log, so that a lane that is cut falls behind, and one that catches up has no hole. */
export function Sparkline({ points, head, value, range: [low, high] }: Props) {
  const x = (seq: number) => round(width - inset - ((head - seq) * (width - 2 * inset)) / (span - 1))
  const y = (v: number) => round(height - inset - ((v - low) / (high - low || 1)) * (height - 2 * inset))
  const shown = points.filter((point) => point.seq > head - span && point.seq <= head)
  const at = shown.map((point) => ({ ...point, x: x(point.seq), y: y(value(point.data)) }))
  const last = at.at(-1)
  return (
    <svg class="spark" viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none" aria-hidden="true" focusable="false">
      <path class="spark-base" d={`M0 ${height - 0.5}H${width}`} />
      {runs(at).map((run) => (
        <path key={`area${run[0]!.seq}`} class="spark-area" d={`${line(run)}V${height}H${run[0]!.x}Z`} />
      ))}
      {runs(at).map((run) => (
        <path key={run[0]!.seq} class="spark-line" d={line(run)} />
      ))}
      {runs(at.filter((point) => point.late)).map((run) => (
        <path key={`late${run[0]!.seq}`} class="spark-late" d={line(run)} />
      ))}
      {last && <path class="spark-dot" d={`M${last.x} ${last.y}h0`} />}
    </svg>
  )
}

interface Placed extends Point {
  x: number
  y: number
}

/** Points that follow each other without a hole. */
function runs(points: Placed[]): Placed[][] {
  const all: Placed[][] = []
  for (const point of points) {
    const run = all.at(-1)
    if (run && point.seq === run.at(-1)!.seq + 1) run.push(point)
    else all.push([point])
  }
  return all
}

const line = (run: Placed[]) => `M${run.map((point) => `${point.x} ${point.y}`).join('L')}${run.length === 1 ? 'h0' : ''}`

const round = (value: number) => Math.round(value * 10) / 10
