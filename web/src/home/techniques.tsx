import { language, words } from '../shell/shell.tsx'
import { channelURL } from '../wire/wire.ts'
import { Copy } from './command.tsx'
import { rows, type Row } from './rows.ts'

const text = words({
  en: {
    technique: 'Technique',
    when: 'When',
    breaks: 'What breaks it',
    try: 'Try it',
    link: (name: string, via: string) => `${name}: ?via=${via}, in a new tab`,
    copyScript: (name: string) => `Copy a line of script for ${name}`,
    copyCurl: (name: string) => `Copy the curl line for ${name}`,
  },
  ko: {
    technique: '방식',
    when: '언제',
    breaks: '무엇에 약한가',
    try: '해 보기',
    link: (name, via) => `${name}: ?via=${via}, 새 탭에서`,
    copyScript: (name) => `${name} 스크립트 한 줄 복사`,
    copyCurl: (name) => `${name} curl 명령 복사`,
  },
})

export function Techniques({ channel }: { channel: string }) {
  const t = text()
  return (
    <table class="techniques" role="table">
      <thead role="rowgroup">
        <tr role="row">
          {[t.technique, t.when, t.breaks, t.try].map((name) => (
            <th key={name} role="columnheader" scope="col">
              {name}
            </th>
          ))}
        </tr>
      </thead>
      <tbody role="rowgroup">
        {rows[language()].map((row) => (
          <tr role="row" key={row.via}>
            <th role="rowheader" scope="row">
              {row.name}
            </th>
            <td role="cell" data-label={t.when}>
              {row.when}
            </td>
            <td role="cell" data-label={t.breaks}>
              {row.breaks}
            </td>
            <td role="cell" class="techniques-try">
              <Try {...row} channel={channel} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

function Try({ via, name, note, channel }: Row & { channel: string }) {
  const t = text()
  const url = channelURL(channel, { via, since: 'all' })
  const below = note && <small>{note}</small>
  if (via === 'websocket') {
    const ws = `new WebSocket('${url}').onmessage = e => console.log(e.data)`
    return (
      <>
        <span class="mono">new WebSocket</span>
        <Copy text={ws} label={t.copyScript(name)} />
        {below}
      </>
    )
  }
  return (
    <>
      <a class="mono" href={url} target="_blank" rel="noopener" aria-label={t.link(name, via)}>
        ?via={via}
      </a>
      <Copy text={`curl -N "${location.origin}${url}"`} label={t.copyCurl(name)} />
      {below}
    </>
  )
}
