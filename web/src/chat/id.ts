/** 128 random bits, in hexadecimal: a name that nobody else has. Unlike crypto.randomUUID it needs no secure context. */
export function newID(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('')
}
