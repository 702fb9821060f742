import { words } from '../shell/shell.tsx'

interface Facts {
  /** The technique it is about, and what was measured of it, as text. */
  name: string
  p50: string
  bytes: string
  requests: string
  connections: string
  rate: string
  payload: string
  readers: string
}

export const verdictText = words({
  en: {
    title: 'Verdict',
    none: 'Nothing came by any technique.',
    use: (name: string) => `Use ${name}.`,
    from: (rate: string, payload: string, readers: string) =>
      `For ${rate} entries a second of ${payload}, to ${readers} readers, on the network of this run.`,
    why: {
      low: (f: Facts) =>
        `Entries go one way and not often. ${f.name} had half of them within ${f.p50}, each in ${f.bytes}, and comes ` +
        'back by itself after a break.',
      high: (f: Facts) =>
        `At this rate every byte of framing and every request counts. ${f.name} carried an entry in ${f.bytes}, half ` +
        `of them within ${f.p50}, and needed no further request.`,
      crowd: (f: Facts) =>
        `So many readers of something so seldom need not hold a connection. Half of the entries took up to ${f.p50}; ` +
        `together they ask about ${f.requests} times a second, and answers that have entries may come from a cache.`,
      'no-sse': (f: Facts) =>
        `A response that stays open did not come through unharmed, a socket did: half of the entries within ${f.p50}.`,
      'no-socket': (f: Facts) =>
        `At this rate a WebSocket would be lighter, but none worked. ${f.name} had half of the entries within ` +
        `${f.p50}.`,
      'no-event': (f: Facts) =>
        'Neither EventSource nor WebSocket worked unharmed; a stream read by fetch did, half of the entries within ' +
        `${f.p50}.`,
      hostile: (f: Facts) =>
        'Streams were held back or cut and no socket worked, but plain questions and answers passed: half of the ' +
        `entries within ${f.p50}.`,
      poll: (f: Facts) => `Only short questions came through: half of the entries within ${f.p50}.`,
      cut: (f: Facts) =>
        `Connections were cut again and again. ${f.name} was the quickest to be back: half of the entries within ` +
        `${f.p50}. Nothing is lost by a cut, since a reader goes on at its cursor.`,
      nothing: () => 'No entry came by any technique. Is the server there, and may this page publish to it?',
    },
    otherwise: 'Something else, if',
    when: {
      'both-ways': (f: Facts) => `pages send as much as they read: ${f.name}.`,
      crowd: (f: Facts) =>
        `a few seconds do not matter and the crowd is large: ${f.name}. Nobody holds a connection, and answers that ` +
        `have entries may come from a cache. In this run half of the entries took up to ${f.p50}.`,
      'at-once': (f: Facts) =>
        `it has to be there at once: ${f.name}, half of the entries within ${f.p50}, with ${f.connections} ` +
        'connections held.',
    },
    elsewhere:
      'you do not know the networks of your readers: let the client of Pabal choose. It begins with the best and ' +
      'goes down to polling where that does not work, without losing an entry.',
    table: (readers: string) => `What each technique did, and what it would cost the server with ${readers} readers`,
    way: 'Technique',
    fate: 'Result',
    fates: { works: 'works', cut: 'cut', buffered: 'stalls', failed: 'fails' },
    came: 'Came',
    of: (received: string, published: string) => `${received} of ${published}`,
    perEntry: 'Bytes an entry',
    perSecond: 'Requests a second',
    connections: 'Connections held',
    traffic: 'Traffic',
    faults: 'Lost, repeated, out of order',
    ofBodies:
      'Bytes are of bodies and messages, without headers. Requests and connections are those of all readers ' +
      'together, by what one of them did in this run. Whoever polls holds no connection between two polls, though a ' +
      'browser keeps it open for a while.',
    late:
      'Came is what had arrived when the run ended. What stalls is held back on the way, or was cut off without a ' +
      'word; what is missing of it comes when it goes on, and nothing is lost unless the last column says so.',
    copy: 'Copy a link to this',
    copied: 'Copied.',
    notCopied: 'The address of this page is the link now.',
    measured: (when: string) => `Measured ${when}.`,
    shared: (when: string) =>
      `This was measured ${when}, in the browser of whoever sent you the link, on the network of then. Nothing of it ` +
      'was measured here.',
    here: (s: number) => `Measure here, ${s} s`,
    shifts: 'The two shifts of HTTP/1.1 ran one after the other, so their numbers are of different moments.',
  },
  ko: {
    title: '판정',
    none: '어떤 기법으로도 아무것도 오지 않았습니다.',
    use: (name) => `${name}: 이것을 쓰세요.`,
    from: (rate, payload, readers) => `이번에 잰 네트워크에서 초당 ${rate}개, 하나에 ${payload}, 독자 ${readers}명일 때.`,
    why: {
      low: (f) => `엔트리가 한쪽으로만, 드물게 갑니다. ${f.name}로 절반이 ${f.p50} 안에 왔고, 하나에 ${f.bytes}가 들었으며, 끊기면 스스로 돌아옵니다.`,
      high: (f) => `이 빈도에서는 덧붙는 바이트와 요청 하나하나가 셈에 듭니다. ${f.name}는 엔트리 하나를 ${f.bytes}에 날랐고, 절반이 ${f.p50} 안에 왔으며, 더 묻지 않았습니다.`,
      crowd: (f) =>
        `이렇게 드문 것을 이렇게 많은 사람이 읽을 때는 연결을 붙들 까닭이 없습니다. 절반이 오는 데 ${f.p50}까지 걸렸고, 모두 합쳐 초당 약 ${f.requests}번 물으며, 엔트리가 든 ` +
        '답은 캐시가 줄 수 있습니다.',
      'no-sse': (f) => `열린 응답은 온전히 오지 못했지만 소켓은 왔습니다. 절반이 ${f.p50} 안에 왔습니다.`,
      'no-socket': (f) => `이 빈도에는 WebSocket이 더 가볍지만 되지 않았습니다. ${f.name}로 절반이 ${f.p50} 안에 왔습니다.`,
      'no-event': (f) => `EventSource도 WebSocket도 온전하지 않았지만 fetch로 읽는 스트림은 되었습니다. 절반이 ${f.p50} 안에 왔습니다.`,
      hostile: (f) => `스트림은 붙잡히거나 끊기고 소켓은 되지 않았지만, 평범한 물음과 답은 지나갔습니다. 절반이 ${f.p50} 안에 왔습니다.`,
      poll: (f) => `짧은 물음만 지나갔습니다. 절반이 ${f.p50} 안에 왔습니다.`,
      cut: (f) => `연결이 거듭 끊겼습니다. 그래도 가장 빨리 돌아온 것은 ${f.name}이고, 절반이 ${f.p50} 안에 왔습니다. 읽는 쪽은 커서에서 이어 가므로 끊겨도 잃는 것은 없습니다.`,
      nothing: () => '어떤 기법으로도 엔트리가 오지 않았습니다. 서버가 있는지, 이 페이지가 올려도 되는지 확인하세요.',
    },
    otherwise: '이럴 때는 다른 것을',
    when: {
      'both-ways': (f) => `페이지가 읽는 만큼 보낸다면: ${f.name}.`,
      crowd: (f) =>
        `몇 초가 중요하지 않고 사람이 많다면: ${f.name}. 아무도 연결을 붙들지 않고, 엔트리가 든 답은 캐시가 줄 수 있습니다. 이번에는 절반이 오는 데 ${f.p50}까지 걸렸습니다.`,
      'at-once': (f) => `바로 와야 한다면: ${f.name}. 절반이 ${f.p50} 안에 왔고, 연결 ${f.connections}개를 붙듭니다.`,
    },
    elsewhere: '읽는 사람들의 네트워크를 모른다면: Pabal의 클라이언트에 맡기세요. 가장 좋은 것부터 시작해 되지 않으면 폴링까지 내려가며, 엔트리를 잃지 않습니다.',
    table: (readers) => `기법마다 한 일과, 독자가 ${readers}명이면 서버에 드는 것`,
    way: '기법',
    fate: '결과',
    fates: { works: '됨', cut: '끊김', buffered: '멎음', failed: '안 됨' },
    came: '온 것',
    of: (received, published) => `${published}개 중 ${received}개`,
    perEntry: '엔트리당 바이트',
    perSecond: '초당 요청',
    connections: '붙든 연결',
    traffic: '전송량',
    faults: '잃음, 겹침, 순서 바뀜',
    ofBodies:
      '바이트는 헤더를 뺀 본문과 메시지의 것입니다. 요청과 연결은 이번에 하나가 한 일로 셈한, 모든 독자를 합친 수입니다. 폴링은 두 물음 사이에 연결을 붙들지 않지만, 브라우저가 한동안 열어 두기는 ' +
      '합니다.',
    late: '온 것은 끝났을 때까지 도착한 수입니다. 멎은 것은 길에서 붙잡혔거나 말없이 끊긴 것입니다. 모자라는 것은 다시 이어질 때 오며, 마지막 칸이 말하지 않는 한 잃은 것은 없습니다.',
    copy: '이 결과의 링크 복사',
    copied: '복사했습니다.',
    notCopied: '이제 이 페이지의 주소가 그 링크입니다.',
    measured: (when) => `${when}에 쟀습니다.`,
    shared: (when) => `링크를 보낸 사람의 브라우저에서, 그때의 네트워크로 ${when}에 잰 것입니다. 여기서 잰 것은 하나도 없습니다.`,
    here: (s) => `여기서 재기, ${s}초`,
    shifts: 'HTTP/1.1의 두 조는 차례로 쟀으므로 서로 다른 때의 숫자입니다.',
  },
})
