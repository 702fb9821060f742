/** One part of a multipart body; header names are in lower case. */
export interface Part {
  headers: Map<string, string>
  body: Uint8Array
}

const CR = 13
const LF = 10
const DASH = 45

/** The boundary of a multipart Content-Type, or undefined. */
export function boundaryOf(contentType: string | null): string | undefined {
  const found = /^multipart\/[^;]+;(?:.*;)?\s*boundary=(?:"([^"]+)"|([^\s;"]+))/i.exec(contentType ?? '')
  return found?.[1] ?? found?.[2]
}

/**
 * The whole parts at the start of buffer, and the bytes that are not yet a whole part. Feed `rest` back in, with
 * the next bytes behind it. A part with Content-Length is whole with its last byte, another with the next boundary.
 * `ended` says that the closing boundary was read.
 */
export function readParts(buffer: Uint8Array, boundary: string): { parts: Part[]; rest: Uint8Array; ended: boolean } {
  const delimiter = new TextEncoder().encode(`--${boundary}`)
  const parts: Part[] = []
  let at = 0
  for (;;) {
    const start = findDelimiter(buffer, delimiter, at)
    if (start < 0) break
    const after = start + delimiter.length
    if (buffer[after] === DASH && buffer[after + 1] === DASH) return { parts, rest: buffer.slice(0, 0), ended: true }
    const head = readHead(buffer, after)
    if (!head) return { parts, rest: buffer.slice(start), ended: false }
    const body = readBody(buffer, head, delimiter)
    if (!body) return { parts, rest: buffer.slice(start), ended: false }
    if (head.headers.size > 0 || body.length > 0) parts.push({ headers: head.headers, body })
    at = head.end + body.length
  }
  // What precedes a boundary is of no interest, but the boundary may have begun in the last line.
  return { parts, rest: buffer.slice(Math.max(at, lastLine(buffer))), ended: false }
}

interface Head {
  headers: Map<string, string>
  end: number
}

function readHead(buffer: Uint8Array, after: number): Head | undefined {
  let line = endOfLine(buffer, after)
  if (line < 0) return undefined
  const headers = new Map<string, string>()
  for (;;) {
    const start = line
    line = endOfLine(buffer, start)
    if (line < 0) return undefined
    const text = new TextDecoder().decode(buffer.subarray(start, line)).trimEnd()
    if (text === '') return { headers, end: line }
    const colon = text.indexOf(':')
    if (colon > 0) headers.set(text.slice(0, colon).toLowerCase(), text.slice(colon + 1).trim())
  }
}

function readBody(buffer: Uint8Array, head: Head, delimiter: Uint8Array): Uint8Array | undefined {
  const length = head.headers.get('content-length')
  if (length !== undefined && /^\d+$/.test(length)) {
    const end = head.end + Number(length)
    return end <= buffer.length ? buffer.slice(head.end, end) : undefined
  }
  // The line end before a boundary belongs to the boundary. A body may be empty, and its boundary follow at once.
  const next = findDelimiter(buffer, delimiter, head.end)
  if (next < 0) return undefined
  return buffer.slice(head.end, Math.max(head.end, next - 2))
}

/** Where the delimiter stands at the start of a line, from `at` on; -1 if nowhere, or not yet surely. */
function findDelimiter(buffer: Uint8Array, delimiter: Uint8Array, at: number): number {
  // Two more bytes tell a boundary from the closing one.
  for (let i = at; i + delimiter.length + 2 <= buffer.length; i++) {
    const atLineStart = i === 0 || (i >= 2 && buffer[i - 2] === CR && buffer[i - 1] === LF)
    if (atLineStart && delimiter.every((byte, n) => buffer[i + n] === byte)) return i
  }
  return -1
}

/** Where the last line, whole or not, begins. */
function lastLine(buffer: Uint8Array): number {
  for (let i = buffer.length; i >= 2; i--) if (buffer[i - 2] === CR && buffer[i - 1] === LF) return i
  return 0
}

/** Just after the next line end, or -1. */
function endOfLine(buffer: Uint8Array, at: number): number {
  const end = buffer.indexOf(LF, at)
  return end < 0 ? -1 : end + 1
}

export function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  if (a.length === 0) return b
  const both = new Uint8Array(a.length + b.length)
  both.set(a)
  both.set(b, a.length)
  return both
}
