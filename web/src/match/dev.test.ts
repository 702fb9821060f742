import { expect, test } from 'vitest'
import { sliderSteps, stepOf, viewersAt } from './dev.ts'

test('the slider goes from 2 to all there can be, and back', () => {
  for (const most of [5000, 300]) {
    expect(viewersAt(0, most)).toBe(2)
    expect(viewersAt(sliderSteps, most)).toBe(most)
    for (let step = 0; step <= sliderSteps; step++) {
      const viewers = viewersAt(step, most)
      expect(viewersAt(stepOf(viewers, most), most)).toBe(viewers)
    }
  }
  expect(stepOf(0, 5000)).toBe(0)
})
