import { bytes as decimal, number } from '../format.ts'

// Numbers as the Lab shows them.

/** 0.8 ms, 12 ms, 1.2 s. */
export function ms(value: number | undefined): string {
  if (value === undefined) return '–'
  if (value < 9.95) return `${number(value, 1)} ms`
  if (value < 995) return `${number(value)} ms`
  return `${number(value / 1000, value < 99_500 ? 1 : 0)} s`
}

/** 0.2, 2, 20; and of many 1,234 or 12k. */
export function count(value: number): string {
  if (value > 0 && value < 9.95 && value !== Math.round(value)) return number(value, value < 0.095 ? 2 : 1)
  if (value < 99_950) return number(value)
  if (value < 999_500) return `${number(value / 1000)}k`
  return `${number(value / 1e6, value < 9.95e6 ? 1 : 0)}M`
}

const rounded = new Intl.NumberFormat('en', { maximumSignificantDigits: 2 })

/** What is reckoned, not counted: 79,000, 98, 7.7. */
export const about = (value: number): string => rounded.format(value)

export const bytes = decimal

/** Payloads are powers of two. */
export const size = (value: number): string => (value < 1024 ? `${value} B` : `${value / 1024} KiB`)

export const payloads = [16, 64, 256, 1024, 4096, 16_384]
export const rates = [0.2, 0.5, 1, 2, 5, 10, 20]
export const crowds = [1, 10, 100, 1000, 10_000, 100_000, 1_000_000]
