/** A technique in the table: when it is right, and what breaks it. */
export interface Row {
  via: string
  name: string
  when: string
  breaks: string
  /** What to know before one follows its link. */
  note?: string
}

const en: Row[] = [
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
      'GET only, no status, and the page must trust the script. Pages of other origins are refused unless --allow-origin ' +
      'names theirs.',
    note: 'calls pabal, or what callback= names',
  },
  {
    via: 'page',
    name: 'Endless page',
    when: 'With scripting off, and in text browsers.',
    breaks:
      'A proxy that buffers. Where the server ends it, it goes on by itself at its cursor; where the connection breaks, it ' +
      'stops.',
  },
]

const ko: Row[] = [
  {
    via: 'sse',
    name: 'Server-sent events',
    when: '듣기만 하는 페이지의 첫째 선택. 스크립트 한 줄이면 되고, 재연결과 이어 읽기를 브라우저가 알아서 합니다.',
    breaks: '모아 두는 프록시를 만나면 아무것도, 오류조차 보이지 않습니다. 텍스트만 됩니다. HTTP/1.1에서는 연결 여섯 개 중 하나를 차지합니다.',
  },
  {
    via: 'websocket',
    name: 'WebSocket',
    when: '연결 하나로 양방향, 여러 채널, 바이트 그대로.',
    breaks: 'Upgrade를 떼어 내는 프록시, 그리고 유휴 시간 초과. 왜 닫혔는지 브라우저가 알려 주지 않습니다.',
    note: '콘솔에 붙여 넣으세요',
  },
  {
    via: 'stream',
    name: 'HTTP 스트림',
    when: '프로그램, 그리고 직접 헤더를 넣어야 하는 페이지. 한 줄에 JSON 객체 하나입니다.',
    breaks: '모아 두는 프록시. 연결 여섯 개의 제한도 같습니다.',
    note: '브라우저는 저장하고 curl은 보여 줍니다',
  },
  {
    via: 'longpoll',
    name: '롱 폴링',
    when: '스트림이 막히거나 끊기는 곳. 응답마다 완결되므로 HTTP가 통하는 곳이면 어디든 통합니다.',
    breaks: '메시지마다 헤더만큼의 바이트가 듭니다. 25초 전에 요청을 끊는 프록시.',
  },
  {
    via: 'poll',
    name: '주기적 폴링',
    when: '변화가 드물거나 늦어도 될 때, 또는 캐시가 많은 사람을 맡을 때.',
    breaks: '없습니다. 간격의 절반만큼 늦고, 새것이 없어도 묻습니다.',
  },
  {
    via: 'multipart',
    name: '멀티파트',
    when: '메시지마다 헤더가 따로 있어야 할 때. 바이너리도 됩니다.',
    breaks: '모아 두는 프록시. 스스로 해석하는 클라이언트가 드뭅니다.',
    note: '브라우저는 저장하고 curl은 보여 줍니다',
  },
  {
    via: 'iframe',
    name: '숨은 iframe',
    when: '스크립트로 스트림을 읽지 못하는 오래된 브라우저.',
    breaks: '끝없이 읽는 중인 페이지, 오류 이벤트 없음, 같은 출처에서만.',
    note: '감싸는 페이지를 호출합니다',
  },
  {
    via: 'jsonp',
    name: 'JSONP',
    when: '스크립트 태그밖에 쓸 수 없을 때.',
    breaks: 'GET만 되고 상태 코드가 없으며 스크립트를 믿어야 합니다. 다른 출처는 --allow-origin에 적혀야 받아들입니다.',
    note: 'pabal 또는 callback=의 함수를 호출합니다',
  },
  {
    via: 'page',
    name: '끝나지 않는 페이지',
    when: '스크립트를 껐을 때, 그리고 텍스트 브라우저.',
    breaks: '모아 두는 프록시. 서버가 끝내면 커서에서 스스로 이어 가지만, 연결이 끊기면 멈춥니다.',
  },
]

export const rows = { en, ko }
