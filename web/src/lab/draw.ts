import type { Sheet } from './canvas.tsx'
import type { Arrow, Fall, Flight, Marks, Post, Wait } from './trace.ts'

/** The part of time that a picture shows, in milliseconds of performance.now. */
export interface Span {
  from: number
  to: number
}

export interface Paint {
  ink: string
  soft: string
  line: string
  accent: string
  late: string
  bad: string
  idle: string
  surface: string
  font: string
}

/** The colours of the page, as they are where the element stands. */
export function paintOf(element: Element): Paint {
  const style = getComputedStyle(element)
  const colour = (name: string) => style.getPropertyValue(`--${name}`).trim()
  const [ink, soft, line, accent] = [colour('ink'), colour('soft'), colour('line'), colour('accent')]
  const [late, bad, idle, surface] = [colour('late'), colour('bad'), colour('idle'), colour('surface')]
  return { ink, soft, line, accent, late, bad, idle, surface, font: `600 11px ${style.fontFamily}` }
}

/** Dots whose way was shorter than can be seen fall for so long, so that an eye can follow. */
const falling = 320
const unseen = 60

/** Draws one row: the server above, the browser below, and what goes between them. */
export class Picture {
  private readonly c: CanvasRenderingContext2D
  private readonly width: number
  private readonly paint: Paint
  private readonly top = 14
  private readonly bottom: number

  constructor(
    private readonly sheet: Sheet,
    private readonly span: Span,
  ) {
    const { context, width, height, paint } = sheet
    this.c = context
    this.width = width
    this.paint = paint
    this.bottom = height - 20
    context.clearRect(0, 0, width, height)
    context.lineCap = context.lineJoin = 'round'
    this.ticks(height)
    this.stroke(paint.idle, 1, [0, this.top, width, this.top], [0, this.bottom, width, this.bottom])
  }

  lane(marks: Marks): void {
    for (const band of marks.bands) this.band(band)
    for (const wait of marks.waits) this.wait(wait)
    for (const arrow of marks.arrows) this.arrow(arrow)
    for (const flight of marks.flights) this.flight(flight)
    for (const fall of marks.falls) this.fall(fall)
    for (const at of marks.breaks) this.cross(this.x(at))
    this.cursor()
  }

  /** What this page publishes: up to the server. */
  posts(posts: Post[]): void {
    for (const { sent, served, answered } of posts) {
      if ((answered ?? this.span.to) < this.span.from) continue
      const [x, there] = [this.x(sent), this.x(served ?? this.span.to)]
      if (served === undefined) {
        this.dashed(this.paint.soft, [x, this.bottom, there, this.bottom])
        continue
      }
      this.stroke(this.paint.accent, 1.25, [x, this.bottom, there, this.top])
      this.dot(there, this.top, 3, this.paint.accent)
    }
    this.cursor()
  }

  private x(at: number): number {
    return ((at - this.span.from) / (this.span.to - this.span.from)) * this.width
  }

  private ticks(height: number): void {
    const step = this.span.to - this.span.from > 3000 ? 1000 : 200
    this.c.globalAlpha = 0.6
    for (let at = Math.ceil(this.span.from / step) * step; at < this.span.to; at += step) {
      const x = Math.round(this.x(at)) + 0.5
      this.stroke(this.paint.line, 1, [x, 0, x, height])
    }
    this.c.globalAlpha = 1
  }

  private band({ from, to, kind }: Marks['bands'][number]): void {
    const [x, end] = [Math.max(-4, this.x(from)), Math.min(this.width + 4, this.x(to))]
    if (end <= x) return
    const { c, top, bottom } = this
    if (kind === 'asked') return this.dashed(this.paint.soft, [x, (top + bottom) / 2, end, (top + bottom) / 2])
    c.fillStyle = kind === 'request' ? this.paint.idle : this.paint.accent
    c.globalAlpha = kind === 'request' ? 0.2 : 0.15
    c.fillRect(x, top, end - x, bottom - top)
    c.globalAlpha = 1
    if (kind === 'socket') this.stroke(this.paint.accent, 2, [x, top, end, top], [x, bottom, end, bottom])
    if (kind === 'request') this.stroke(this.paint.idle, 3, [x, top, end, top])
    if (kind === 'response') this.stroke(this.paint.accent, 2, [x, bottom, end, bottom])
  }

  private wait({ from, to, still }: Wait): void {
    const [x, end] = [this.x(from), this.x(to)]
    this.stroke(this.paint.late, 2.5, [x, this.top, end, this.top])
    this.dot(x, this.top, 3.25, this.paint.surface, this.paint.late)
    if (still) this.dot(Math.min(end, this.width - 4), this.top, 3.25, this.paint.late)
  }

  private arrow({ from, to, up }: Arrow): void {
    const [x, end] = [this.x(from), this.x(to)]
    const [y, tip] = up ? [this.bottom, this.top] : [this.top, this.bottom]
    const angle = Math.atan2(tip - y, end - x)
    const head = (turn: number) => [end, tip, end - 5.5 * Math.cos(angle + turn), tip - 5.5 * Math.sin(angle + turn)]
    this.stroke(this.paint.soft, 1.25, [x, y, end, tip], head(0.45), head(-0.45))
  }

  private fall({ from, to, count }: Fall): void {
    const fallen = this.sheet.steady || to - from > unseen ? 1 : Math.max(0, Math.min(1, (this.span.to - to) / falling))
    const eased = 1 - (1 - fallen) ** 3
    const [x, end] = [this.x(from), this.x(to)]
    const [dotX, dotY] = [x + (end - x) * eased, this.top + (this.bottom - this.top) * eased]
    this.stroke(this.paint.accent, 1.5, [x, this.top, dotX, dotY])
    const radius = count === 1 ? 3.5 : 5
    this.dot(dotX, dotY, radius, this.paint.accent)
    if (count === 1 || fallen < 1) return
    this.c.font = this.paint.font
    this.c.fillStyle = this.paint.accent
    this.c.textAlign = 'center'
    this.c.fillText(String(count), end, this.bottom + 15)
  }

  private flight({ from, to }: Flight): void {
    const part = (this.span.to - from) / (to - from)
    const [x, y] = [this.width - 4, this.top + (this.bottom - this.top) * part]
    this.stroke(this.paint.accent, 1.5, [this.x(from), this.top, x, y])
    this.dot(x, y, 3.5, this.paint.accent)
  }

  /** Where the pointer is, in all rows at once, and how long ago that was. */
  private cursor(): void {
    if (!this.sheet.pointer) return
    const { x, here } = this.sheet.pointer
    this.stroke(this.paint.soft, 1, [x + 0.5, 0, x + 0.5, this.bottom + 20])
    if (!here) return
    const seconds = ((1 - x / this.width) * (this.span.to - this.span.from)) / 1000
    this.c.font = this.paint.font
    this.c.textAlign = x < 60 ? 'left' : 'right'
    this.c.fillStyle = this.paint.ink
    this.c.fillText(`−${seconds.toFixed(2)} s`, x + (x < 60 ? 6 : -6), this.bottom + 14)
  }

  private cross(x: number): void {
    const y = (this.top + this.bottom) / 2
    this.stroke(this.paint.bad, 2.5, [x - 5, y - 5, x + 5, y + 5], [x - 5, y + 5, x + 5, y - 5])
  }

  private dot(x: number, y: number, radius: number, fill: string, edge?: string): void {
    this.c.beginPath()
    this.c.arc(x, y, radius, 0, 2 * Math.PI)
    this.c.fillStyle = fill
    this.c.fill()
    if (!edge) return
    this.c.strokeStyle = edge
    this.c.lineWidth = 1.75
    this.c.stroke()
  }

  private dashed(colour: string, line: number[]): void {
    this.c.setLineDash([2, 5])
    this.stroke(colour, 1.5, line)
    this.c.setLineDash([])
  }

  private stroke(colour: string, width: number, ...lines: number[][]): void {
    this.c.beginPath()
    for (const [x, y, toX, toY] of lines) {
      this.c.moveTo(x!, y!)
      this.c.lineTo(toX!, toY!)
    }
    this.c.strokeStyle = colour
    this.c.lineWidth = width
    this.c.stroke()
  }
}
