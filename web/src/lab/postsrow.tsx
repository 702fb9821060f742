import { Canvas, type Drawing } from './canvas.tsx'
import { Picture } from './draw.ts'
import type { Lab } from './lab.ts'
import { spanTo } from './lanerow.tsx'
import { count } from './units.ts'
import { text } from './words.ts'

/** Where entries come from: what this page sends to the server. */
export function PostsRow({ lab, span }: { lab: Lab; span: number }) {
  const t = text()
  const { publisher } = lab
  const now = () => lab.probes.get(lab.active[0]!)?.now ?? performance.now()
  const draw: Drawing = (sheet) => new Picture(sheet, spanTo(now(), span, sheet.steady)).posts(publisher.posts)
  const recent = publisher.posts.filter(({ sent }) => sent > now() - 1000 * span).length
  const { refused } = publisher
  return (
    <li class="lane lane-posts" aria-label={t.publishing} data-state={refused ? 'failed' : 'open'}>
      <div class="lane-name">
        <h3>{t.publishing}</h3>
        <p>{refused ? t.refused(refused.message) : t.posted(count(publisher.kept), count(publisher.pace.rate))}</p>
      </div>
      <div class="lane-picture">
        <span aria-hidden="true">{t.server}</span>
        <span aria-hidden="true">{t.browser}</span>
        <Canvas draw={draw} label={t.picturePosts(span, count(recent))} tall={68} />
      </div>
      <p class="lane-channel">
        <code>{lab.channel}</code>
      </p>
    </li>
  )
}
