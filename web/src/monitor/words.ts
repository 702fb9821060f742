import { words } from '../shell/shell.tsx'

const many = (n: number, one: string, more: string) => (n === 1 ? one : more)

export const text = words({
  en: {
    title: 'One channel, every technique',
    lead: 'Cut a lane, wait, restore it: it goes on at its own cursor and has missed nothing.',
    channel: 'Channel',
    reading: (channel: string) => `Reading ${channel}…`,
    empty: (channel: string) => `${channel} has no entries`,
    emptyWhy: 'This server does not publish the metrics of its host: it was started with',
    emptyOr: ', or on an address that is open to all, where they are off unless asked for. Start it with',
    emptyThen: '. This page looks again every three seconds.',
    failed: (channel: string) => `${channel} cannot be read`,
    failedThen: (why: string) => `${why}. This page tries again every five seconds.`,
    cutAll: 'Cut all',
    restoreAll: 'Restore all',
    cut: 'Cut',
    restore: 'Restore',
    technique: 'Technique',
    lastEntries: (n: number) => `Last ${n} entries`,
    value: 'Value',
    age: 'Age',
    messages: 'Messages',
    requests: 'Requests',
    bytes: 'Bytes',
    lost: 'Lost',
    repeated: 'Repeated',
    outOfOrder: 'Out of order',
    agree: 'All lanes agree on the log',
    disagree: 'The lanes disagree',
    sum: (reading: number, cut: number) => `${reading} reading${cut > 0 ? `, ${cut} cut` : ''}: `,
    faults: (lost: string, repeated: string, outOfOrder: string) =>
      `lost ${lost}, repeated ${repeated}, out of order ${outOfOrder}`,
    waits: (n: number) => many(n, 'One lane waits for a free connection.', `${n} lanes wait for a free connection.`),
    waitsWhy:
      'Is this page open in another tab, or another stream of this server? Close that, or cut a streaming lane here.',
    shared:
      'This page came by HTTP/2 or later: all lanes share one connection, and the limit of six per host does not apply.',
    six:
      'Over HTTP/1.1 a browser opens six connections to a host, for all its tabs together: four streams and the long poll ' +
      'hold five, the two polling lanes take turns on the sixth, and WebSocket is not counted.',
    bytesAre:
      'Bytes are those of bodies, without headers, as near as a page can tell. The part of a line that was caught up after ' +
      'a cut is drawn in',
    anotherColour: 'another colour',
    modes:
      '“Latest only” and “Throttled” read by WebSocket too: the one has the server leave out what a newer value replaces, ' +
      'and say how many; the other has it rest for two seconds between what it sends.',
    isCut: (behind: string) => `Cut, ${behind} behind`,
    queued: (age: string) => `Queued for ${age}`,
    again: (why: string) => (why ? `Trying again: ${why}` : 'Trying again'),
    connecting: 'Connecting',
    live: 'Live',
    told: (n: string) => `Live, ${n} missed and told`,
    caughtUp: (n: string) => `Live, caught up ${n}`,
    skipped: (n: string) => `Live, skipped ${n} older`,
  },
  ko: {
    title: '채널 하나, 모든 전송 방식',
    lead: '레인을 끊고 잠시 뒤 다시 이어 보세요. 제 커서에서 이어 읽으며 빠진 것이 없습니다.',
    channel: '채널',
    reading: (channel) => `${channel} 읽는 중…`,
    empty: (channel) => `${channel}에 항목이 없습니다`,
    emptyWhy: '이 서버는 호스트의 수치를 발행하지 않습니다. 다음과 같이 시작했거나',
    emptyOr: ', 누구나 닿는 주소에서 시작해 기본으로 꺼져 있습니다. 이렇게 시작하세요:',
    emptyThen: '. 이 페이지는 3초마다 다시 확인합니다.',
    failed: (channel) => `${channel}을(를) 읽을 수 없습니다`,
    failedThen: (why) => `${why}. 이 페이지는 5초마다 다시 시도합니다.`,
    cutAll: '모두 끊기',
    restoreAll: '모두 잇기',
    cut: '끊기',
    restore: '잇기',
    technique: '방식',
    lastEntries: (n) => `최근 ${n}개`,
    value: '값',
    age: '지연',
    messages: '메시지',
    requests: '요청',
    bytes: '바이트',
    lost: '누락',
    repeated: '중복',
    outOfOrder: '순서 어긋남',
    agree: '모든 레인이 로그와 일치합니다',
    disagree: '레인끼리 어긋납니다',
    sum: (reading, cut) => `읽는 중 ${reading}${cut > 0 ? `, 끊김 ${cut}` : ''}: `,
    faults: (lost, repeated, outOfOrder) => `누락 ${lost}, 중복 ${repeated}, 순서 어긋남 ${outOfOrder}`,
    waits: (n) => `레인 ${n}개가 빈 연결을 기다립니다.`,
    waitsWhy: '이 페이지나 이 서버의 다른 스트림이 다른 탭에 열려 있나요? 그것을 닫거나 여기서 스트리밍 레인을 끊으세요.',
    shared: '이 페이지는 HTTP/2 이상으로 왔습니다. 모든 레인이 연결 하나를 함께 쓰므로 호스트당 여섯 개의 제한이 없습니다.',
    six:
      'HTTP/1.1에서 브라우저는 모든 탭을 합쳐 호스트 하나에 연결 여섯 개를 엽니다. 스트림 넷과 롱 폴링이 다섯을 차지하고, ' +
      '폴링 레인 둘이 여섯째를 번갈아 쓰며, WebSocket은 세지 않습니다.',
    bytesAre: '바이트는 페이지가 알 수 있는 한도에서 헤더를 뺀 본문의 크기입니다. 끊긴 뒤 따라잡은 부분은 선을',
    anotherColour: '다른 색으로 그립니다',
    modes:
      '‘최신값만’과 ‘간격 두기’도 WebSocket으로 읽습니다. 앞의 것은 새 값으로 바뀐 항목을 서버가 빼고 그 수를 알려 주며, ' +
      '뒤의 것은 보낼 때마다 서버가 2초씩 쉽니다.',
    isCut: (behind) => `끊김, ${behind}개 뒤처짐`,
    queued: (age) => `${age}째 대기`,
    again: (why) => (why ? `다시 시도: ${why}` : '다시 시도하는 중'),
    connecting: '연결하는 중',
    live: '연결됨',
    told: (n) => `연결됨, 놓친 ${n}개를 알려 옴`,
    caughtUp: (n) => `연결됨, ${n}개 따라잡음`,
    skipped: (n) => `연결됨, 지난 값 ${n}개 건너뜀`,
  },
})

/** What the lanes are called, and how they go. */
export const laneText = words({
  en: {
    sse: ['EventSource', 'native events'],
    stream: ['Fetch stream', 'NDJSON by fetch'],
    multipart: ['Multipart', 'parts by fetch'],
    iframe: ['Hidden iframe', 'endless scripts'],
    websocket: ['WebSocket', 'pabal.v1'],
    longpoll: ['Long poll', 'the answer waits'],
    poll: ['Interval poll', 'once a second'],
    jsonp: ['JSONP', 'a script a second'],
    latest: ['Latest only', 'only=latest'],
    throttled: ['Throttled', 'every=2s'],
  },
  ko: {
    sse: ['EventSource', '브라우저 이벤트'],
    stream: ['Fetch 스트림', 'fetch로 NDJSON'],
    multipart: ['멀티파트', 'fetch로 파트'],
    iframe: ['숨은 iframe', '끝없는 스크립트'],
    websocket: ['WebSocket', 'pabal.v1'],
    longpoll: ['롱 폴링', '응답이 기다림'],
    poll: ['주기적 폴링', '1초에 한 번'],
    jsonp: ['JSONP', '1초에 스크립트 하나'],
    latest: ['최신값만', 'only=latest'],
    throttled: ['간격 두기', 'every=2s'],
  },
})
