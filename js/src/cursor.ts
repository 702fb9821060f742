// A cursor of one channel reads "epoch-offset", and offsets of an epoch grow. The client compares only those of one epoch.

/** Whether a lies after b. Undefined if they are of different epochs, or of several channels, and so cannot be compared. */
export function after(a: string, b: string): boolean | undefined {
  const [epoch, offset] = split(a)
  const [other, at] = split(b)
  if (epoch !== other || !offset || !at) return undefined
  return offset.length === at.length ? offset > at : offset.length > at.length
}

export const epochOf = (cursor: string): string => split(cursor)[0]

function split(cursor: string): [epoch: string, offset: string] {
  const dash = cursor.indexOf('-')
  return dash < 0 ? [cursor, ''] : [cursor.slice(0, dash), cursor.slice(dash + 1)]
}
