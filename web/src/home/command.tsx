import { useEffect, useState } from 'preact/hooks'

/** A line to run elsewhere, with a button that copies it. */
export function Command({ title, code }: { title: string; code: string }) {
  return (
    <div class="command">
      <div class="command-head">
        <h3>{title}</h3>
        <Copy text={code} label={`Copy: ${title}`} />
      </div>
      <pre>
        <code>{breakable(code)}</code>
      </pre>
    </div>
  )
}

/** Lets a long line wrap between the parts of an address rather than inside a word. */
const breakable = (code: string) => code.split(/(?<=[/?&])/).flatMap((part) => [part, <wbr />])

export function Copy({ text, label }: { text: string; label: string }) {
  const [said, setSaid] = useState('')
  useEffect(() => {
    if (!said) return
    const timer = setTimeout(() => setSaid(''), 2000)
    return () => clearTimeout(timer)
  }, [said])
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text)
      setSaid('Copied')
    } catch {
      setSaid('Select it') // no clipboard outside https and loopback
    }
  }
  return (
    <button type="button" class="copy" aria-label={label} onClick={copy}>
      <span aria-live="polite">{said || 'Copy'}</span>
    </button>
  )
}
