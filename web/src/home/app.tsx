import { words } from '../shell/shell.tsx'
import { Commands } from './command.tsx'
import { Snippets } from './snippets.tsx'
import { Techniques } from './techniques.tsx'
import { Windows } from './windows.tsx'

const text = words({
  en: {
    title: 'Messages to pages that are already loaded, over every technique HTTP has',
    what:
      'Publish with one POST, and every page that reads the channel has it. A channel is a log and a reader is a cursor ' +
      'in it: cut off, or moved to another technique, it goes on where it was. Nothing lost, nothing twice.',
    toLab: 'Measure your network in the Lab',
    more: 'More to open',
    cards: [
      {
        name: 'Lab',
        href: '/lab',
        says: 'Every technique measured by your browser on its own way here, with a verdict in plain words.',
      },
      {
        name: 'Chat',
        href: '/demo/chat',
        says: 'Who is here and who is typing; and a line that was sent is kept once, whatever happens to the network.',
      },
      {
        name: 'Match',
        href: '/demo/match',
        says: 'Live commentary of a simulated match: corrections take the place of what was wrong, and latecomers catch up.',
      },
      {
        name: 'Monitor',
        href: '/demo/monitor',
        says: 'This host’s numbers, read in ten ways side by side: cut any of them and see it catch up.',
      },
      {
        name: 'Duel',
        href: '/demo/duel',
        says: 'Omok, five in a row: the board is nothing but the log of a channel, and so outlives any cut.',
      },
    ],
    which: 'Which technique when',
    all: 'All read the same log with the same cursors. Each link reads the channel chat.',
  },
  ko: {
    title: '이미 열려 있는 페이지에, HTTP의 모든 방식으로 메시지를 보냅니다',
    what:
      'POST 한 번으로 발행하면 채널을 읽는 모든 페이지가 받습니다. 채널은 로그이고 읽는 쪽은 그 안의 커서입니다. ' +
      '끊기거나 다른 방식으로 옮겨도 있던 자리에서 이어 읽으니, 빠지는 것도 두 번 오는 것도 없습니다.',
    toLab: '실험실에서 내 네트워크 재 보기',
    more: '더 열어 보기',
    cards: [
      {
        name: '실험실',
        href: '/lab',
        says: '이 브라우저에서 여기까지 오는 길로 모든 방식을 재고, 결론을 쉬운 말로 알려 줍니다.',
      },
      {
        name: '채팅',
        href: '/demo/chat',
        says: '누가 있고 누가 쓰는 중인지 보이며, 무슨 일이 있어도 보낸 말은 꼭 한 번 남습니다.',
      },
      {
        name: '경기 중계',
        href: '/demo/match',
        says: '가상 경기의 실시간 문자 중계입니다. 정정은 틀린 줄을 바꾸고, 늦게 온 사람도 따라잡습니다.',
      },
      {
        name: '모니터',
        href: '/demo/monitor',
        says: '이 서버의 수치를 열 가지 방법으로 나란히 읽습니다. 아무거나 끊고 따라잡는 모습을 보세요.',
      },
      {
        name: '대결',
        href: '/demo/duel',
        says: '오목입니다. 판은 채널의 기록일 뿐이라 언제 끊겨도 그대로 돌아옵니다.',
      },
    ],
    which: '언제 어떤 방식을 쓸까',
    all: '모두 같은 로그를 같은 커서로 읽습니다. 링크는 저마다 chat 채널을 읽습니다.',
  },
})

export function App() {
  const t = text()
  return (
    <>
      <section class="hero">
        <h1>{t.title}</h1>
        <p>{t.what}</p>
        <p>
          <a class="button" href="/lab">
            {t.toLab}
          </a>
        </p>
      </section>
      <Windows channel="chat" />
      <section aria-labelledby="more-title">
        <h2 id="more-title">{t.more}</h2>
        <ul class="cards">
          {t.cards.map(({ name, href, says }) => (
            <li key={href} class="card">
              <a href={href}>{name}</a>
              <p>{says}</p>
            </li>
          ))}
        </ul>
      </section>
      <Snippets channel="chat" />
      <Commands channel="chat" />
      <section aria-labelledby="which-title">
        <h2 id="which-title">{t.which}</h2>
        <p class="lead">{t.all}</p>
        <Techniques channel="chat" />
      </section>
    </>
  )
}
