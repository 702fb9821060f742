import { expect, test } from 'vitest'
import { age, bytes } from './format.ts'
import { channelURL } from './wire/wire.ts'

test('bytes keep three digits or so', () => {
  expect([0, 999, 1000, 12_345, 99_949, 99_950, 999_499, 999_500, 2.5e9].map(bytes)).toEqual([
    '0 B', '999 B', '1.0 kB', '12.3 kB', '99.9 kB', '100 kB', '999 kB', '1.0 MB', '2.5 GB',
  ])
})

test('age reads at every size, and is never negative', () => {
  expect([-5, 0, 440, 9949, 9950, 119_000, 120_000, 7_200_000].map(age)).toEqual([
    '0.0 s', '0.0 s', '0.4 s', '9.9 s', '10 s', '119 s', '2 min', '2 h',
  ])
})

test('the URL of a channel keeps its slashes and its dollar', () => {
  expect(channelURL('$host/cpu')).toBe('/channels/$host/cpu')
  expect(channelURL('a b?', { via: 'poll', cursor: undefined })).toBe('/channels/a%20b%3F?via=poll')
  expect(channelURL('a', { cursor: 'x+/=' })).toBe('/channels/a?cursor=x%2B%2F%3D')
})
