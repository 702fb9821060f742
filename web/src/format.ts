// Numbers as the pages show them: short, and of a steady width.

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
  const seconds = Math.max(0, ms) / 1000
  if (seconds < 9.95) return `${number(seconds, 1)} s`
  if (seconds < 120) return `${number(seconds)} s`
  if (seconds < 7200) return `${number(seconds / 60)} min`
  return `${number(seconds / 3600)} h`
}
