import { bytes, number, rate } from '../format.ts'
import { words } from '../shell/language.ts'

/** A channel of this host: what of its entries is drawn, and how it reads. */
export interface HostChannel {
  name: string
  label(): string
  /** What the number is, in a few words. */
  measures(): string
  value(data: Data): number
  text(value: number): string
  detail(data: Data): string
}

export type Data = Record<string, unknown>

const said = words({
  en: {
    cpu: 'CPU',
    cpuMeasures: 'busy, all cores',
    cpuDetail: (cores: number) => (cores === 1 ? 'of one core' : `of ${cores} cores`),
    memory: 'Memory',
    memoryMeasures: 'in use',
    memoryDetail: (used: string, total: string) => `${used} of ${total}`,
    load: 'Load',
    loadMeasures: 'average of one minute',
    loadDetail: (five: string, fifteen: string) => `${five} over 5 min, ${fifteen} over 15`,
    network: 'Network',
    networkMeasures: 'received',
    networkDetail: (sent: string) => `${sent} sent`,
    disk: 'Disk',
    diskMeasures: 'written',
    diskDetail: (read: string, full: string) => `${read} read, ${full} full`,
    pabal: 'Pabal itself',
    pabalMeasures: 'entries delivered',
    pabalDetail: (published: string, readers: string, heap: string) =>
      `${published} /s published, ${readers} readers, ${heap} heap`,
  },
  ko: {
    cpu: 'CPU',
    cpuMeasures: '모든 코어의 사용률',
    cpuDetail: (cores) => `코어 ${cores}개`,
    memory: '메모리',
    memoryMeasures: '사용 중',
    memoryDetail: (used, total) => `${total} 중 ${used}`,
    load: '부하',
    loadMeasures: '1분 평균',
    loadDetail: (five, fifteen) => `5분 ${five}, 15분 ${fifteen}`,
    network: '네트워크',
    networkMeasures: '받는 속도',
    networkDetail: (sent) => `보내는 속도 ${sent}`,
    disk: '디스크',
    diskMeasures: '쓰는 속도',
    diskDetail: (read, full) => `읽는 속도 ${read}, ${full} 참`,
    pabal: 'Pabal 자신',
    pabalMeasures: '전달한 항목',
    pabalDetail: (published, readers, heap) => `발행 ${published} /s, 읽는 쪽 ${readers}, 힙 ${heap}`,
  },
})

const field = (name: string) => (data: Data) => (typeof data[name] === 'number' ? data[name] : 0)
const percent = (value: number) => `${number(value, 1)} %`

export const hostChannels: HostChannel[] = [
  {
    name: '$host/cpu',
    label: () => said().cpu,
    measures: () => said().cpuMeasures,
    value: field('percent'),
    text: percent,
    detail: (data) => said().cpuDetail(Array.isArray(data.perCore) ? data.perCore.length : 0),
  },
  {
    name: '$host/memory',
    label: () => said().memory,
    measures: () => said().memoryMeasures,
    value: field('percent'),
    text: percent,
    detail: (data) => said().memoryDetail(bytes(field('usedBytes')(data)), bytes(field('totalBytes')(data))),
  },
  {
    name: '$host/load',
    label: () => said().load,
    measures: () => said().loadMeasures,
    value: field('load1'),
    text: (value) => number(value, 2),
    detail: (data) => said().loadDetail(number(field('load5')(data), 2), number(field('load15')(data), 2)),
  },
  {
    name: '$host/network',
    label: () => said().network,
    measures: () => said().networkMeasures,
    value: field('receivedBytesPerSecond'),
    text: rate,
    detail: (data) => said().networkDetail(rate(field('sentBytesPerSecond')(data))),
  },
  {
    name: '$host/disk',
    label: () => said().disk,
    measures: () => said().diskMeasures,
    value: field('writtenBytesPerSecond'),
    text: rate,
    detail: (data) => said().diskDetail(rate(field('readBytesPerSecond')(data)), percent(field('percent')(data))),
  },
  {
    name: '$host/pabal',
    label: () => said().pabal,
    measures: () => said().pabalMeasures,
    value: field('deliveredPerSecond'),
    text: (value) => `${number(value, 1)} /s`,
    detail: (data) =>
      said().pabalDetail(
        number(field('publishedPerSecond')(data), 1),
        number(field('readers')(data)),
        bytes(field('heapBytes')(data)),
      ),
  },
]

export function hostChannel(name: string | null): HostChannel {
  return hostChannels.find((channel) => channel.name === name) ?? hostChannels[0]!
}
