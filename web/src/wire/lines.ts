/** The whole lines of `rest + chunk`, and what is left of the last one. Feed `rest` back in with the next chunk. */
export function splitLines(rest: string, chunk: string): { lines: string[]; rest: string } {
  const lines = (rest + chunk).split('\n')
  const left = lines.pop() ?? ''
  return { lines: lines.map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line)), rest: left }
}

/** The objects of an NDJSON stream's lines; an empty line is a heartbeat. */
export function parseLines<T>(lines: string[]): T[] {
  return lines.filter((line) => line.trim() !== '').map((line) => JSON.parse(line) as T)
}
