import { share, type Histogram } from './histogram.ts'

const [low, high] = [0.5, 20_000]
const steps = 46
const [width, height] = [230, 34]

/** How latencies are spread, on a logarithmic axis from half a millisecond to 20 s, the same for all lanes. */
export function Spread({ latencies }: { latencies: Histogram }) {
  const counts = latencies.steps(steps, low, high)
  const most = Math.max(1, ...counts)
  const half = latencies.percentile(0.5)
  const bar = width / steps
  return (
    <svg class="spread" viewBox={`0 0 ${width} ${height + 12}`} aria-hidden="true" focusable="false">
      {[1, 10, 100, 1000, 10_000].map((ms) => {
        const x = width * share(ms, low, high)
        return (
          <g key={ms}>
            <path class="spread-tick" d={`M${x} 0V${height}`} />
            <text x={x} y={height + 10}>
              {ms < 1000 ? ms : `${ms / 1000} s`}
            </text>
          </g>
        )
      })}
      <path class="spread-base" d={`M0 ${height}H${width}`} />
      {counts.map((count, i) => {
        const tall = count && Math.max(2, (count / most) * (height - 2))
        if (!count) return null
        return <rect key={i} class="spread-bar" x={i * bar + 0.5} y={height - tall} width={bar - 1} height={tall} />
      })}
      {half !== undefined && <path class="spread-half" d={`M${width * share(half, low, high)} 0V${height}`} />}
    </svg>
  )
}
