import { expect, test } from 'vitest'
import { language, words } from './language.ts'

test('where there is no page the language is English, and texts may be functions', () => {
  const text = words({ en: { title: 'Lab', of: (n: number) => `${n} of it` }, ko: { title: '실험실', of: (n) => `${n}개` } })
  expect(language()).toBe('en')
  expect([text().title, text().of(2)]).toEqual(['Lab', '2 of it'])
})
