interface Callbacks {
  [name: string]: (message: object) => void
}

declare global {
  interface Window {
    lanes?: Callbacks
  }
}

let callbacks = 0

/** A function that a script or a frame calls by its name, `lanes.<kind><n>`, until it is dropped. */
export function callback(kind: string, call: (message: object) => void): { name: string; drop: () => void } {
  const lanes = (window.lanes ??= {})
  const name = `${kind}${++callbacks}`
  lanes[name] = call
  return { name: `lanes.${name}`, drop: () => delete lanes[name] }
}
