import { generateKeyPairSync, sign } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startBrowser, startServer } from './world.ts'

// A page that came over HTTP/2 has its WebSockets on the same connection, as far as the server offers that (RFC 8441).

let browser: Browser
let dir: string

beforeAll(async () => {
  browser = await startBrowser()
  dir = mkdtempSync(join(tmpdir(), 'pabal-'))
  writeCertificate(dir)
})

afterAll(async () => {
  await browser.close()
  rmSync(dir, { recursive: true })
})

for (const [offer, status] of [['auto', 200], ['off', 101]] as const) {
  test(`websocket-h2=${offer}: a WebSocket opens with ${status}, echoes, and closes in good order`, async () => {
    const args = ['--tls-cert', join(dir, 'cert.pem'), '--tls-key', join(dir, 'key.pem'), '--websocket-h2', offer]
    const server = await startServer({ args })
    const context = await browser.newContext({ ignoreHTTPSErrors: true })
    try {
      const page = await context.newPage()
      const devtools = await context.newCDPSession(page)
      await devtools.send('Network.enable')
      const statuses: number[] = []
      devtools.on('Network.webSocketHandshakeResponseReceived', (event) => statuses.push(event.response.status))
      await page.goto(`${server.origin}/health`)
      const text = '파발 '.repeat(5000)
      const echo = await page.evaluate(
        (sent) =>
          new Promise((resolve) => {
            const socket = new WebSocket(`wss://${location.host}/channels/echo`)
            let heard = ''
            socket.onopen = () => socket.send(sent)
            socket.onmessage = (event) => {
              heard = event.data
              socket.close(3001, 'bye')
            }
            socket.onclose = (event) => resolve({ heard, code: event.code, clean: event.wasClean })
          }),
        text,
      )
      expect(echo).toEqual({ heard: text, code: 3001, clean: true })

      const ended = page.evaluate(
        () =>
          new Promise((resolve) => {
            const socket = new WebSocket(`wss://${location.host}/channels/chat`, 'pabal.v1')
            socket.onmessage = () => console.log('it is open')
            socket.onclose = (event) => resolve({ code: event.code, clean: event.wasClean })
          }),
      )
      await page.waitForEvent('console')
      await server.stop()
      expect(await ended).toEqual({ code: 1001, clean: true })
      expect(statuses).toEqual([status, status])
    } finally {
      await context.close()
      await server.stop()
    }
  })
}

/** Writes a certificate that signs itself, and its key. */
function writeCertificate(dir: string) {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
  const ecdsaWithSHA256 = der(0x30, Buffer.from('06082a8648ce3d040302', 'hex'))
  const nobody = der(0x30)
  const validity = der(0x30, der(0x17, Buffer.from('200101000000Z')), der(0x17, Buffer.from('491231235959Z')))
  const spki = publicKey.export({ type: 'spki', format: 'der' })
  const content = der(0x30, der(0x02, Buffer.from([1])), ecdsaWithSHA256, nobody, validity, nobody, spki)
  const signature = der(0x03, Buffer.from([0]), sign('sha256', content, privateKey))
  const lines = der(0x30, content, ecdsaWithSHA256, signature).toString('base64').match(/.{1,64}/g)
  writeFileSync(join(dir, 'cert.pem'), `-----BEGIN CERTIFICATE-----\n${lines?.join('\n')}\n-----END CERTIFICATE-----\n`)
  writeFileSync(join(dir, 'key.pem'), privateKey.export({ type: 'pkcs8', format: 'pem' }))
}

/** A value of DER with that tag. */
function der(tag: number, ...parts: Buffer[]): Buffer {
  const content = Buffer.concat(parts)
  const n = content.length
  const head = n < 128 ? [tag, n] : n < 256 ? [tag, 0x81, n] : [tag, 0x82, n >> 8, n & 255]
  return Buffer.concat([Buffer.from(head), content])
}
