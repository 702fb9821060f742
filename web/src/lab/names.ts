import { words } from '../shell/shell.tsx'
import type { Via } from '../lanes/index.ts'

export const names = words<Record<Via, string>>({
  en: {
    websocket: 'WebSocket',
    sse: 'EventSource',
    stream: 'Fetch stream',
    longpoll: 'Long poll',
    poll: 'Poll',
    multipart: 'Multipart',
    iframe: 'Hidden iframe',
    jsonp: 'JSONP',
  },
  ko: {
    websocket: 'WebSocket',
    sse: 'EventSource',
    stream: 'fetch 스트림',
    longpoll: '롱 폴링',
    poll: '폴링',
    multipart: '멀티파트',
    iframe: '숨은 iframe',
    jsonp: 'JSONP',
  },
})

/** What happens, in a few words. */
export const hows = words<Record<Via, string>>({
  en: {
    websocket: 'one open socket',
    sse: 'one open response',
    stream: 'one open response',
    longpoll: 'requests that wait',
    poll: 'asks again and again',
    multipart: 'one response, in parts',
    iframe: 'one endless page',
    jsonp: 'scripts, again and again',
  },
  ko: {
    websocket: '열린 소켓 하나',
    sse: '열린 응답 하나',
    stream: '열린 응답 하나',
    longpoll: '기다리는 요청들',
    poll: '거듭 묻기',
    multipart: '조각으로 오는 응답 하나',
    iframe: '끝없는 페이지 하나',
    jsonp: '거듭 부르는 스크립트',
  },
})

export interface About {
  what: string
  right: string
  breaks: string
}

export const about = words<Record<Via, About>>({
  en: {
    websocket: {
      what:
        'One HTTP request is upgraded to a socket. From then on both sides send messages whenever they like, with a ' +
        'few bytes of framing each.',
      right:
        'Both sides talk a lot: games, editors, cursors, chat at speed. It is not counted among the six connections ' +
        'of HTTP/1.1.',
      breaks:
        'A proxy that does not pass Upgrade on. Timers that end what is idle. The browser’s interface neither ' +
        'resumes nor acknowledges, so the reader must keep a cursor.',
    },
    sse: {
      what:
        'A response that stays open; each event is a few lines of text. When it breaks, the browser asks again by ' +
        'itself and says which event it saw last.',
      right: 'Entries go one way: notifications, scores, prices, progress. For most pages this is enough.',
      breaks:
        'A proxy that buffers holds it back, and no error ever tells. Over HTTP/1.1 each one takes one of the six ' +
        'connections that all tabs share. The page cannot add request headers.',
    },
    stream: {
      what: 'The same idea, read by fetch: a response that stays open, and in it one JSON object a line.',
      right:
        'Where the request needs a header of its own, such as a token, and outside of browsers: any HTTP client ' +
        'reads it.',
      breaks:
        'The same buffers and the same six connections. Chunks do not end where lines end, and to come back after a ' +
        'break is the page’s own work.',
    },
    longpoll: {
      what:
        'An ordinary request, which the server answers only when there is something to say, or after 25 seconds. ' +
        'Then the page asks anew.',
      right:
        'Where streams are held back and sockets refused: it is one question and one answer, and nearly everything ' +
        'on the way lets that pass.',
      breaks:
        'A proxy that gives up sooner than the server answers, often at 30 seconds. A request for each entry, with ' +
        'all its headers, when entries come often.',
    },
    poll: {
      what: 'The page asks every second or two what is new after its cursor, and gets an answer at once.',
      right:
        'When seconds do not matter. Nobody holds a connection, and answers with entries may come from a cache that ' +
        'serves a crowd.',
      breaks:
        'Nothing, but it is late by half an interval on average and asks while nothing happens. Browsers slow the ' +
        'timers of tabs that nobody sees.',
    },
    multipart: {
      what: 'A response that stays open, in parts, each with headers of its own. Cameras send pictures like that.',
      right: 'For an img element that shows the newest picture without any script; else a fetch stream is simpler.',
      breaks: 'The same buffers. Browsers show it only in img; a script has to take the parts apart itself.',
    },
    iframe: {
      what:
        'A hidden frame loads a page that never ends. Each message is a script in it, which calls a function of the ' +
        'page around it.',
      right: 'Hardly ever today. Before pages could fetch, this was how they were told anything at once.',
      breaks:
        'The same buffers. The browser shows a page that keeps loading, a break is told by nothing but silence, and ' +
        'it works within one site only.',
    },
    jsonp: {
      what: 'The page adds a script element; the server answers with a call of a function, and the data in it.',
      right: 'Hardly ever today. It read from other sites before there was CORS.',
      breaks:
        'It can only GET and sees no status. Any site could include it, so it is for what everybody may read. A ' +
        'policy against foreign scripts stops it.',
    },
  },
  ko: {
    websocket: {
      what: 'HTTP 요청 하나를 소켓으로 바꿉니다. 그 뒤로는 양쪽이 언제든 메시지를 보내며, 메시지마다 몇 바이트만 덧붙습니다.',
      right: '양쪽이 많이 주고받을 때: 게임, 공동 편집, 커서, 빠른 대화. HTTP/1.1의 연결 여섯 개에 들지 않습니다.',
      breaks: 'Upgrade를 넘겨주지 않는 프록시, 조용한 연결을 끊는 타이머. 브라우저 인터페이스에는 이어받기도 확인 응답도 없어서 읽는 쪽이 커서를 지켜야 합니다.',
    },
    sse: {
      what: '열린 채로 있는 응답입니다. 이벤트 하나는 텍스트 몇 줄이고, 끊기면 브라우저가 마지막으로 본 이벤트를 말하며 스스로 다시 묻습니다.',
      right: '한쪽으로만 보낼 때: 알림, 점수, 시세, 진행 상황. 대부분의 페이지에는 이것으로 충분합니다.',
      breaks: '모아 두는 프록시가 붙잡아도 아무 오류도 나지 않습니다. HTTP/1.1에서는 모든 탭이 나눠 쓰는 연결 여섯 개 가운데 하나를 차지하고, 요청 헤더를 더할 수 없습니다.',
    },
    stream: {
      what: '같은 생각을 fetch로 읽습니다. 열린 응답 안에 한 줄마다 JSON 객체가 하나씩 있습니다.',
      right: '토큰처럼 요청 헤더가 필요할 때, 그리고 브라우저 밖에서: 어떤 HTTP 클라이언트로도 읽힙니다.',
      breaks: '똑같이 프록시가 모아 둘 수 있고 연결 여섯 개에 듭니다. 조각의 끝이 줄의 끝은 아니며, 끊긴 뒤 돌아오는 일은 페이지가 해야 합니다.',
    },
    longpoll: {
      what: '평범한 요청이지만 서버는 할 말이 생기거나 25초가 지나야 답합니다. 그러면 페이지가 다시 묻습니다.',
      right: '스트림이 붙잡히고 소켓이 거절될 때: 질문 하나에 답 하나라서 길 위의 거의 모든 것이 통과시킵니다.',
      breaks: '서버의 답보다 먼저 포기하는 프록시(흔히 30초). 엔트리가 잦으면 엔트리마다 헤더까지 갖춘 요청이 하나씩 듭니다.',
    },
    poll: {
      what: '페이지가 1~2초마다 커서 뒤에 새로운 것을 묻고 바로 답을 받습니다.',
      right: '몇 초 늦어도 될 때. 아무도 연결을 붙들지 않고, 엔트리가 든 답은 캐시가 여러 사람에게 줄 수 있습니다.',
      breaks: '막는 것은 없지만 평균 반 간격만큼 늦고, 아무 일이 없어도 묻습니다. 보이지 않는 탭의 타이머는 브라우저가 늦춥니다.',
    },
    multipart: {
      what: '열린 채로 있는 응답이 조각으로 오고, 조각마다 헤더가 따로 있습니다. 카메라가 사진을 이렇게 보냅니다.',
      right: '스크립트 없이 가장 새 사진을 보여 주는 img 요소에. 그 밖에는 fetch 스트림이 더 간단합니다.',
      breaks: '똑같이 프록시가 모아 둘 수 있습니다. 브라우저는 img에서만 보여 주고, 스크립트는 조각을 직접 나눠야 합니다.',
    },
    iframe: {
      what: '숨은 프레임이 끝나지 않는 페이지를 불러옵니다. 메시지 하나는 그 안의 스크립트이고, 바깥 페이지의 함수를 부릅니다.',
      right: '오늘날에는 거의 없습니다. fetch가 없던 때에는 이렇게 바로 소식을 받았습니다.',
      breaks: '똑같이 프록시가 모아 둘 수 있습니다. 브라우저에는 계속 불러오는 중으로 보이고, 끊겨도 조용할 뿐이라 알 수 없으며, 한 사이트 안에서만 됩니다.',
    },
    jsonp: {
      what: '페이지가 script 요소를 더하면, 서버는 데이터를 넣어 함수를 부르는 코드로 답합니다.',
      right: '오늘날에는 거의 없습니다. CORS가 없던 때 다른 사이트에서 읽던 방법입니다.',
      breaks: 'GET만 되고 상태 코드를 볼 수 없습니다. 어느 사이트든 넣을 수 있어서 누구나 읽어도 되는 것에만 씁니다. 다른 곳의 스크립트를 막는 정책이 있으면 되지 않습니다.',
    },
  },
})
