import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'

// The real server, for tests in Node.

export interface Server {
  url: string
  child: ChildProcess
  stop(signal?: NodeJS.Signals): Promise<void>
}

/** Starts the built binary, named by PABAL_BIN, on a free port of loopback or the one that is given. */
export async function startServer(args: string[] = [], listen = '127.0.0.1:0'): Promise<Server> {
  const binary = process.env.PABAL_BIN
  if (!binary) throw new Error('PABAL_BIN must name the built binary: run make test-js')
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('PABAL_')))
  const broker = args.includes('--data') ? [] : ['--broker', 'memory']
  const child = spawn(binary, ['serve', ...broker, '--listen', listen, ...args], { stdio: ['ignore', 'pipe', 'pipe'], env })
  const url = await new Promise<string>((resolve, reject) => {
    let said = ''
    const hear = (chunk: Buffer) => {
      said += chunk.toString()
      const found = /https?:\/\/127\.0\.0\.1:\d+/.exec(said)
      if (found) resolve(found[0])
    }
    child.stdout!.on('data', hear)
    child.stderr!.on('data', hear)
    child.once('error', reject)
    child.once('exit', (code) => reject(new Error(`the server ended with ${code}:\n${said}`)))
  })
  return {
    url,
    child,
    stop: async (signal = 'SIGTERM') => {
      if (child.exitCode !== null || child.signalCode !== null) return
      const gone = once(child, 'exit')
      child.kill(signal)
      const impatient = setTimeout(() => child.kill('SIGKILL'), 5000)
      await gone
      clearTimeout(impatient)
    },
  }
}

/** The log as the server itself tells it. */
export async function truth(url: string, channel: string): Promise<{ cursor: string; data: unknown }[]> {
  const all: { cursor: string; data: unknown }[] = []
  for (let from = 'since=all'; ; ) {
    const response = await fetch(`${url}/channels/${channel}?via=poll&${from}`)
    if (response.status === 204) return all
    if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`)
    const answer = (await response.json()) as { entries: { cursor: string; data: unknown }[]; cursor: string; more?: boolean }
    all.push(...answer.entries)
    if (!answer.more) return all
    from = `cursor=${encodeURIComponent(answer.cursor)}`
  }
}

/** Resolves once holds does, which is asked now and then. */
export async function until(what: string, holds: () => boolean | Promise<boolean>, seconds = 10): Promise<void> {
  const deadline = Date.now() + 1000 * seconds
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`not within ${seconds} s: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
