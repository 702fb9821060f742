import type uPlot from 'uplot'
import { useEffect, useRef } from 'preact/hooks'
import { onTheme } from '../shell/shell.tsx'
import { kept, type Sample } from './engine.ts'

const height = 132

/** The crowd's lag over the last two minutes: of a half, and of 99 in a hundred. */
export function Chart({ samples, label }: { samples: readonly Sample[]; label: string }) {
  const box = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot | undefined>(undefined)
  const latest = useRef(samples)
  latest.current = samples
  useEffect(() => {
    let over = false
    let end = () => {}
    void draw(box.current!, () => latest.current).then((drawn) => {
      if (over) return drawn.end()
      plot.current = drawn.plot
      end = drawn.end
    })
    return () => {
      over = true
      plot.current = undefined
      end()
    }
  }, [])
  useEffect(() => plot.current?.setData(dataOf(samples)), [samples])
  return (
    <figure class="chart">
      <div ref={box} role="img" aria-label={label} />
      <figcaption>
        {label} <span class="chart-p50">50 %</span> <span class="chart-p99">99 %</span>
      </figcaption>
    </figure>
  )
}

async function draw(box: HTMLDivElement, samples: () => readonly Sample[]): Promise<{ plot: uPlot; end: () => void }> {
  const { default: UPlot } = await import('uplot')
  const plot = new UPlot(options(box.clientWidth), dataOf(samples()), box)
  const resized = new ResizeObserver(() => plot.setSize({ width: box.clientWidth, height }))
  resized.observe(box)
  const forget = onTheme(() => plot.redraw())
  const end = () => {
    resized.disconnect()
    forget()
    plot.destroy()
  }
  return { plot, end }
}

/** Seconds ago, and the lags; null where nobody read anything. */
function dataOf(samples: readonly Sample[]): uPlot.AlignedData {
  const now = samples.at(-1)?.at ?? 0
  const ago = samples.map(({ at }) => at - now)
  return [ago, samples.map(({ lag }) => lag?.p50 ?? null), samples.map(({ lag }) => lag?.p99 ?? null)]
}

/** A colour of the page, as it is now. */
const colour = (name: string) => () => getComputedStyle(document.documentElement).getPropertyValue(name).trim()

function options(width: number): uPlot.Options {
  const axis: uPlot.Axis = {
    stroke: colour('--soft'),
    grid: { stroke: colour('--line'), width: 1 },
    ticks: { show: false },
    font: '11px system-ui, sans-serif',
  }
  return {
    width,
    height,
    legend: { show: false },
    cursor: { show: false },
    scales: { x: { time: false, range: [-kept, 0] }, y: { range: (_, __, most) => [0, Math.max(1, (most ?? 0) * 1.1)] } },
    axes: [{ ...axis, size: 24, space: 60 }, { ...axis, size: 44, space: 30 }],
    series: [
      {},
      { stroke: colour('--accent'), width: 2, points: { show: false } },
      { stroke: colour('--late'), width: 1.5, dash: [4, 3], points: { show: false } },
    ],
  }
}
