import type { Dev, Without } from './dev.ts'
import { text } from './words.ts'

/** What stands where the match would be. `read` is false while the channel is asked, true once it was, or why it is not. */
export function Nothing({ read, engine }: { read: boolean | string; engine: Dev | Without | undefined }) {
  const t = text()
  return (
    <div class="card match-nothing" role="status">
      {read === false && <p>{t.loading}</p>}
      {typeof read === 'string' && <p class="error">{t.unread(read)}</p>}
      {read === true && (
        <>
          <p>{t.empty}</p>
          {typeof engine === 'object' && <p>{engine.match.error ? t.stands(engine.match.error) : t.soon}</p>}
        </>
      )}
    </div>
  )
}
