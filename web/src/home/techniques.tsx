import { channelURL } from '../wire/wire.ts'
import { Copy } from './command.tsx'

interface Row {
  via: string
  name: string
  when: string
  breaks: string
  /** What to know before one follows its link. */
  note?: string
}

const rows: Row[] = [
  {
    via: 'sse',
    name: 'Server-sent events',
    when: 'The first choice for a page that listens: one line of script, and the browser reconnects and resumes by itself.',
    breaks: 'A proxy that buffers shows nothing and no error. Text only. On HTTP/1.1 it holds one of six connections.',
  },
  {
    via: 'websocket',
    name: 'WebSocket',
    when: 'Two ways on one connection, many channels, bytes as they are.',
    breaks: 'Proxies that strip Upgrade, and idle time-outs. The browser tells nothing of why it closed.',
    note: 'paste it into the console',
  },
  {
    via: 'stream',
    name: 'HTTP stream',
    when: 'Programs, and pages that need headers of their own: one JSON object a line.',
    breaks: 'A proxy that buffers. The same six connections.',
    note: 'a browser saves it, curl shows it',
  },
  {
    via: 'longpoll',
    name: 'Long poll',
    when: 'Where streams are buffered or cut: each answer is whole, so it passes everything that HTTP passes.',
    breaks: 'A header’s worth of bytes for each message. Proxies that cut a request before 25 seconds.',
  },
  {
    via: 'poll',
    name: 'Interval poll',
    when: 'Changes are rare or may be late, or a cache should serve the crowd.',
    breaks: 'Nothing. It is late by half its interval, and asks when there is nothing new.',
  },
  {
    via: 'multipart',
    name: 'Multipart',
    when: 'Each message with headers of its own, binary ones too.',
    breaks: 'A proxy that buffers. Few clients parse it by themselves.',
    note: 'a browser saves it, curl shows it',
  },
  {
    via: 'iframe',
    name: 'Hidden iframe',
    when: 'Browsers too old to stream by script.',
    breaks: 'A page that loads for ever, no error event, one origin only.',
    note: 'calls the page around it',
  },
  {
    via: 'jsonp',
    name: 'JSONP',
    when: 'Nothing but script tags is possible.',
    breaks:
      'GET only, no status, and the page must trust the script. Pages of other origins are refused unless --allow-origin names theirs.',
    note: 'calls pabal, or what callback= names',
  },
  {
    via: 'page',
    name: 'Endless page',
    when: 'With scripting off, and in text browsers.',
    breaks: 'A proxy that buffers. Where the server ends it, it goes on by itself at its cursor; where the connection breaks, it stops.',
  },
]

export function Techniques({ channel }: { channel: string }) {
  return (
    <table class="techniques" role="table">
      <thead role="rowgroup">
        <tr role="row">
          <th role="columnheader" scope="col">Technique</th>
          <th role="columnheader" scope="col">When</th>
          <th role="columnheader" scope="col">What breaks it</th>
          <th role="columnheader" scope="col">Try it</th>
        </tr>
      </thead>
      <tbody role="rowgroup">
        {rows.map((row) => (
          <tr role="row" key={row.via}>
            <th role="rowheader" scope="row">
              {row.name}
            </th>
            <td role="cell" data-label="When">
              {row.when}
            </td>
            <td role="cell" data-label="What breaks it">
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
  const url = channelURL(channel, { via, since: 'all' })
  const below = note && <small>{note}</small>
  if (via === 'websocket') {
    const ws = `new WebSocket('${url}').onmessage = e => console.log(e.data)`
    return (
      <>
        <span class="mono">new WebSocket</span>
        <Copy text={ws} label={`Copy a line of script for ${name}`} />
        {below}
      </>
    )
  }
  return (
    <>
      <a class="mono" href={url} target="_blank" rel="noopener" aria-label={`${name}: ?via=${via}, in a new tab`}>
        ?via={via}
      </a>
      <Copy text={`curl -N "${location.origin}${url}"`} label={`Copy the curl line for ${name}`} />
      {below}
    </>
  )
}
