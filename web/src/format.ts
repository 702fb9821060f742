// Numbers as the pages show them: short, and of a steady width.

import { words } from './shell/language.ts'

const text = words({
  en: { seconds: (n: string) => `${n} s`, minutes: (n: string) => `${n} min`, hours: (n: string) => `${n} h` },
  ko: { seconds: (n) => `${n}초`, minutes: (n) => `${n}분`, hours: (n) => `${n}시간` },
})

const formats = [0, 1, 2].map(
  (digits) => new Intl.NumberFormat('en', { minimumFractionDigits: digits, maximumFractionDigits: digits }),
)

export const number = (value: number, digits: 0 | 1 | 2 = 0): string => formats[digits]!.format(value)

const units = ['B', 'kB', 'MB', 'GB', 'TB']

/** 999 B, 1.0 kB, 12.3 kB, 456 kB: three digits or so, in powers of 1000. */
export function bytes(value: number): string {
  let unit = 0
  let amount = value
  while (amount >= 999.5 && unit < units.length - 1) {
    amount /= 1000
    unit++
  }
  return `${number(amount, unit > 0 && amount < 99.95 ? 1 : 0)} ${units[unit]}`
}

export const rate = (value: number): string => `${bytes(value)}/s`

/** How long ago, from tenths of a second to hours. */
export function age(ms: number): string {
  const t = text()
  const seconds = Math.max(0, ms) / 1000
  if (seconds < 9.95) return t.seconds(number(seconds, 1))
  if (seconds < 120) return t.seconds(number(seconds))
  if (seconds < 7200) return t.minutes(number(seconds / 60))
  return t.hours(number(seconds / 3600))
}
