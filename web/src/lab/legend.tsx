import { text } from './words.ts'

/** What the marks of the pictures mean. */
export function Legend() {
  const t = text()
  return (
    <div class="legend">
      <p>{t.legendTime}</p>
      <ul>
        {(
          [
            ['up', t.legendUp],
            ['response', t.legendResponse],
            ['socket', t.legendSocket],
            ['request', t.legendRequest],
            ['wait', t.legendWait],
            ['fall', t.legendFall],
            ['asked', t.legendAsked],
            ['break', t.legendBreak],
          ] as const
        ).map(([kind, words]) => (
          <li key={kind}>
            <Sign kind={kind} />
            {words}
          </li>
        ))}
      </ul>
    </div>
  )
}

function Sign({ kind }: { kind: 'up' | 'response' | 'socket' | 'request' | 'asked' | 'wait' | 'fall' | 'break' }) {
  return (
    <svg class="sign" viewBox="0 0 44 28" aria-hidden="true" focusable="false">
      {kind === 'response' && <path class="sign-band" d="M0 4H44V24H0Z" />}
      {kind === 'socket' && <path class="sign-band" d="M0 4H44V24H0Z" />}
      {kind === 'request' && <path class="sign-held" d="M0 4H44V24H0Z" />}
      <path class="sign-base" d="M0 4H44M0 24H44" />
      {kind === 'up' && <path class="sign-arrow" d="M15 24V4m-4 5l4-5 4 5M29 4V24m-4-5l4 5 4-5" />}
      {kind === 'response' && <path class="sign-open" d="M0 24H44" />}
      {kind === 'socket' && <path class="sign-open" d="M0 4H44M0 24H44" />}
      {kind === 'request' && <path class="sign-request" d="M0 4H44" />}
      {kind === 'asked' && <path class="sign-asked" d="M0 14H44" />}
      {kind === 'wait' && <path class="sign-wait" d="M10 4H34" />}
      {kind === 'wait' && <circle class="sign-ring" cx="10" cy="4" r="3.2" />}
      {kind === 'fall' && <path class="sign-fall" d="M22 4V24" />}
      {kind === 'fall' && <circle class="sign-dot" cx="22" cy="23" r="4" />}
      {kind === 'break' && <path class="sign-break" d="M17 9l10 10M27 9L17 19" />}
    </svg>
  )
}
