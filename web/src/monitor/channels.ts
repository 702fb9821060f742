import { bytes, number, rate } from '../format.ts'

/** A channel of this host: what of its entries is drawn, and how it reads. */
export interface HostChannel {
  name: string
  label: string
  /** What the number is, in a few words. */
  measures: string
  value(data: Data): number
  text(value: number): string
  detail(data: Data): string
}

export type Data = Record<string, unknown>

const field = (name: string) => (data: Data) => (typeof data[name] === 'number' ? data[name] : 0)
const percent = (value: number) => `${number(value, 1)} %`

export const hostChannels: HostChannel[] = [
  {
    name: '$host/cpu',
    label: 'CPU',
    measures: 'busy, all cores',
    value: field('percent'),
    text: percent,
    detail: (data) => {
      const cores = Array.isArray(data.perCore) ? data.perCore.length : 0
      return cores === 1 ? 'of one core' : `of ${cores} cores`
    },
  },
  {
    name: '$host/memory',
    label: 'Memory',
    measures: 'in use',
    value: field('percent'),
    text: percent,
    detail: (data) => `${bytes(field('usedBytes')(data))} of ${bytes(field('totalBytes')(data))}`,
  },
  {
    name: '$host/load',
    label: 'Load',
    measures: 'average of one minute',
    value: field('load1'),
    text: (value) => number(value, 2),
    detail: (data) => `${number(field('load5')(data), 2)} over 5 min, ${number(field('load15')(data), 2)} over 15`,
  },
  {
    name: '$host/network',
    label: 'Network',
    measures: 'received',
    value: field('receivedBytesPerSecond'),
    text: rate,
    detail: (data) => `${rate(field('sentBytesPerSecond')(data))} sent`,
  },
  {
    name: '$host/disk',
    label: 'Disk',
    measures: 'written',
    value: field('writtenBytesPerSecond'),
    text: rate,
    detail: (data) => `${rate(field('readBytesPerSecond')(data))} read, ${percent(field('percent')(data))} full`,
  },
  {
    name: '$host/pabal',
    label: 'Pabal itself',
    measures: 'entries delivered',
    value: field('deliveredPerSecond'),
    text: (value) => `${number(value, 1)} /s`,
    detail: (data) =>
      `${number(field('publishedPerSecond')(data), 1)} /s published, ${number(field('readers')(data))} readers, ` +
      `${bytes(field('heapBytes')(data))} heap`,
  },
]

export function hostChannel(name: string | null): HostChannel {
  return hostChannels.find((channel) => channel.name === name) ?? hostChannels[0]!
}
