import { useEffect, useRef } from 'preact/hooks'
import { onTheme } from '../shell/shell.tsx'
import { paintOf, type Paint } from './draw.ts'

export interface Sheet {
  context: CanvasRenderingContext2D
  width: number
  height: number
  paint: Paint
  /** Nothing moves but in steps. */
  steady: boolean
  /** Where the pointer is over any picture, from the left, and whether it is over this one. */
  pointer: { x: number; here: boolean } | undefined
}

export type Drawing = (sheet: Sheet) => void

interface Stage {
  frame(steady: boolean): void
}

const stages = new Set<Stage>()
let pointer: { x: number; over: Element } | undefined
const still = matchMedia('(prefers-reduced-motion: reduce)')
let timer = 0

let odd = false

/**
 * All pictures are drawn in one frame, in every other one, since drawing holds up what is measured. Where motion is not
 * wanted it is once a second.
 */
function run(): void {
  odd = !odd
  if (odd || still.matches) for (const stage of stages) stage.frame(still.matches)
  schedule()
}

function schedule(): void {
  if (stages.size === 0) timer = 0
  else if (still.matches) timer = window.setTimeout(() => requestAnimationFrame(run), 1000)
  else timer = requestAnimationFrame(run)
}

/** A picture that is drawn anew all the time while it is in sight. The label is what it shows, in words. */
export function Canvas({ draw, label, tall = 80 }: { draw: Drawing; label: string; tall?: number }) {
  const canvas = useRef<HTMLCanvasElement>(null)
  const latest = useRef(draw)
  latest.current = draw
  useEffect(() => {
    const element = canvas.current!
    const context = element.getContext('2d')!
    let paint = paintOf(element)
    let seen = true
    const size = () => {
      const ratio = devicePixelRatio
      element.width = Math.round(element.clientWidth * ratio)
      element.height = Math.round(element.clientHeight * ratio)
      context.setTransform(ratio, 0, 0, ratio, 0, 0)
      stage.frame(still.matches)
    }
    const stage: Stage = {
      frame: (steady) => {
        if (!seen) return
        const [width, height] = [element.clientWidth, element.clientHeight]
        const at = pointer && { x: pointer.x, here: pointer.over === element }
        latest.current({ context, width, height, paint, steady, pointer: at })
      },
    }
    element.onpointermove = (event) => (pointer = { x: event.offsetX, over: element })
    element.onpointerleave = () => (pointer = undefined)
    const resize = new ResizeObserver(size)
    const sight = new IntersectionObserver(([entry]) => (seen = entry!.isIntersecting), { rootMargin: '50px' })
    resize.observe(element)
    sight.observe(element)
    const endTheme = onTheme(() => {
      paint = paintOf(element)
      size()
    })
    stages.add(stage)
    if (!timer) schedule()
    return () => {
      stages.delete(stage)
      endTheme()
      resize.disconnect()
      sight.disconnect()
    }
  }, [])
  return <canvas ref={canvas} role="img" aria-label={label} style={{ height: `${tall}px` }} />
}
