import { expect, test } from 'vitest'
import { boundaryOf, concat, readParts, type Part } from './multipart.ts'

const bytes = (text: string) => new TextEncoder().encode(text)
const text = (part: Part) => new TextDecoder().decode(part.body)

function feed(chunks: Uint8Array[], boundary: string) {
  const parts: Part[] = []
  let rest: Uint8Array = new Uint8Array()
  let ended = false
  for (const chunk of chunks) {
    const read = readParts(concat(rest, chunk), boundary)
    parts.push(...read.parts)
    rest = read.rest
    ended ||= read.ended
  }
  return { parts, ended }
}

// A preamble, a part with a length, an empty heartbeat, bodies that look like boundaries, and a part without a length.
const stream = bytes(
  'padding --b \r\n--b\r\nContent-Type: application/json\r\nPabal-Notice: $open\r\nContent-Length: 2\r\n\r\n{}\r\n' +
    '--b\r\n\r\n\r\n' +
    '--b\r\nPabal-Cursor: c1\r\nContent-Length: 11\r\n\r\n파발\r\n--b\r\n' +
    '--b\r\nPabal-Cursor: c2\r\n\r\nno --b length\r\n--\r\n' +
    '--b\r\nPabal-Cursor: c3\r\n\r\n\r\n--b--\r\nepilogue',
)
const expected = [
  ['$open', undefined, '{}'],
  [undefined, 'c1', '파발\r\n--b'],
  [undefined, 'c2', 'no --b length\r\n--'],
  [undefined, 'c3', ''],
]
const seen = (parts: Part[]) =>
  parts.map((part) => [part.headers.get('pabal-notice'), part.headers.get('pabal-cursor'), text(part)])

test('multipart gives the same parts wherever one cut falls', () => {
  for (let cut = 0; cut <= stream.length; cut++) {
    const { parts, ended } = feed([stream.subarray(0, cut), stream.subarray(cut)], 'b')
    expect(seen(parts), `cut at ${cut}`).toEqual(expected)
    if (cut < stream.length - 'epilogue'.length) expect(ended).toBe(true)
  }
})

test('multipart gives the same parts byte by byte', () => {
  const { parts } = feed(Array.from(stream, (byte) => Uint8Array.of(byte)), 'b')
  expect(seen(parts)).toEqual(expected)
})

test('a part with a length is whole with its last byte, before the boundary that follows', () => {
  const { parts } = feed([bytes('--b\r\nContent-Length: 2\r\n\r\nhi')], 'b')
  expect(parts.map(text)).toEqual(['hi'])
})

test('a part without a length waits for the boundary that ends it', () => {
  expect(feed([bytes('--b\r\nA: b\r\n\r\nhi')], 'b').parts).toEqual([])
  expect(feed([bytes('--b\r\nA: b\r\n\r\nhi\r\n--b\r\n')], 'b').parts.map(text)).toEqual(['hi'])
})

test('the boundary is found in the Content-Type, quoted or not', () => {
  expect(boundaryOf('multipart/mixed; boundary=abc')).toBe('abc')
  expect(boundaryOf('multipart/mixed; charset=utf-8; boundary="a b:c"')).toBe('a b:c')
  expect(boundaryOf('Multipart/Mixed;boundary=x; y=z')).toBe('x')
  expect(boundaryOf('application/json')).toBeUndefined()
  expect(boundaryOf(null)).toBeUndefined()
})
