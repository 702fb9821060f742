/** Notes how long the requests to an address wait in the browser for a free connection. */
export class Queue {
  private longest: { ms: number; at: number } | undefined
  private readonly observer: PerformanceObserver

  constructor(path: string) {
    this.observer = new PerformanceObserver((list) => {
      for (const entry of list.getEntries() as PerformanceResourceTiming[]) {
        if (!entry.requestStart || !new URL(entry.name).pathname.startsWith(path)) continue
        const ms = entry.requestStart - entry.startTime - (entry.connectEnd - entry.connectStart)
        if (ms > 300) this.longest = { ms, at: entry.responseEnd }
      }
    })
    this.observer.observe({ type: 'resource', buffered: false })
  }

  /** The latest wait that was long, in milliseconds, if it was in these seconds; else 0. */
  get waited(): number {
    return this.longest && performance.now() - this.longest.at < 6000 ? this.longest.ms : 0
  }

  end(): void {
    this.observer.disconnect()
  }
}
