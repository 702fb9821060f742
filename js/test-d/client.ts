import { connect, PabalError } from 'pabal'
import type { Entry, History, Member, Notice, Published, Status } from 'pabal'

// What the types of the client allow, and what they do not. tsc checks it, against the sources and the built package.

type Same<A, B> = (<X>() => X extends A ? 1 : 2) extends <X>() => X extends B ? 1 : 2 ? true : false
declare function same<A, B>(yes: Same<A, B>): void

interface Line {
  from: string
  text: string
}

export async function uses(): Promise<void> {
  const pabal = connect('https://example.org', { token: async () => 'x', techniques: ['sse', 'poll'], share: true })
  connect('https://example.org', { share: { worker: '/worker.js' }, hidden: 'pause', remember: 'me' })
  const chat = pabal.channel<Line>('chat')

  const subscription = chat.subscribe(
    (entry) => {
      same<typeof entry, Entry<Line>>(true)
      same<typeof entry.data.text, string>(true)
      // @ts-expect-error a line has no such member
      entry.data.txt
    },
    {
      since: '50',
      notice: (notice) => same<typeof notice, Notice>(true),
      error: (error) => same<typeof error, unknown>(true),
    },
  )
  same<typeof subscription.cursor, string | undefined>(true)
  subscription.stop()

  for await (const entry of chat) same<typeof entry, Entry<Line>>(true)
  for await (const { data } of chat.entries({ since: 'all' })) same<typeof data, Line>(true)

  const published = await chat.publish({ from: 'kim', text: 'hello' }, { id: '1', key: 'kim', type: 'note', ifMatch: 'x-1' })
  same<typeof published, Published>(true)
  await chat.publish('text')
  await chat.publish(new Uint8Array(3))

  const page = await chat.history({ before: published.cursor, limit: 10 })
  same<typeof page, History<Line>>(true)
  same<typeof page.entries, Entry<Line>[]>(true)

  await chat.presence.enter({ name: 'Kim' })
  same<Awaited<ReturnType<typeof chat.presence.get>>, Member[]>(true)
  const leave: () => void = chat.presence.watch((members) => same<typeof members, Member[]>(true))
  leave()

  const part = (data: unknown) => void data
  const price = await pabal.channel('shop').call<{ price: number }>({ item: 3 }, { timeout: 5, part })
  same<typeof price, { price: number }>(true)

  pabal.onStatus((status) => same<typeof status, Status>(true))()
  await pabal.hop('sse')
  await pabal.hop(undefined)
  pabal.close()

  // Without a type the data is unknown, and has to be looked at.
  pabal.channel('any').subscribe(({ data }) => {
    same<typeof data, unknown>(true)
    // @ts-expect-error unknown has no members
    data.text
  })
}

export async function misuses(): Promise<void> {
  const pabal = connect()
  const chat = pabal.channel<Line>('chat')
  // @ts-expect-error a line has a text
  await chat.publish({ from: 'kim' })
  // @ts-expect-error a number is no line
  await chat.publish(17)
  // @ts-expect-error there is only the latest
  chat.subscribe(() => {}, { only: 'newest' })
  // @ts-expect-error since is text
  chat.subscribe(() => {}, { since: 50 })
  // @ts-expect-error it has to be listened to
  chat.subscribe()
  // @ts-expect-error there is no such technique
  connect('https://example.org', { techniques: ['pigeon'] })
  // @ts-expect-error there is no such option
  connect('https://example.org', { tokens: 'x' })
  // @ts-expect-error a channel has a name
  pabal.channel()
}

export function explains(error: unknown): string | undefined {
  if (!(error instanceof PabalError)) return undefined
  same<typeof error.status, number>(true)
  same<typeof error.retryAfter, number | undefined>(true)
  return error.limit ?? error.message
}
