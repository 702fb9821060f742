import { useId } from 'preact/hooks'

interface Props {
  label: string
  /** What can be chosen, from the least to the most. */
  values: readonly number[]
  value: number
  show: (value: number) => string
  set: (value: number) => void
  disabled?: boolean
}

/** A slider over a few values. The output is a labelled thing of its own, so the label names the slider by its id. */
export function Slider({ label, values, value, show, set, disabled = false }: Props) {
  const id = useId()
  const at = Math.max(0, values.indexOf(value))
  return (
    <div class="slider">
      <label for={id}>{label}</label>
      <output for={id}>{show(value)}</output>
      <input
        id={id}
        type="range"
        min={0}
        max={values.length - 1}
        step={1}
        value={at}
        disabled={disabled}
        aria-valuetext={show(value)}
        onInput={(event) => set(values[Number(event.currentTarget.value)]!)}
      />
    </div>
  )
}
