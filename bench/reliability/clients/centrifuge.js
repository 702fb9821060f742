// Readers by centrifuge-js: node centrifuge.js URL READERS CHANNELS
import { Centrifuge } from 'centrifuge'
import WebSocket from 'ws'
import { readers, say } from './say.js'

readers((reader, channel, url) => {
  const client = new Centrifuge([
    { transport: 'websocket', endpoint: `${url.replace('http', 'ws')}/connection/websocket` },
    { transport: 'http_stream', endpoint: `${url}/connection/http_stream` }, // if the first cannot be opened
  ], {
    websocket: WebSocket,
    emulationEndpoint: `${url}/emulation`,
    minReconnectDelay: 200,
    maxReconnectDelay: 1000,
    maxServerPingDelay: 2000,
  })
  const subscription = client.newSubscription(channel, { recoverable: true, positioned: true, minResubscribeDelay: 200, maxResubscribeDelay: 1000 })
  subscription.on('subscribed', now => {
    if (now.wasRecovering && !now.recovered) say(reader, 'told', 'recovered is false')
    say(reader, 'live')
  })
  subscription.on('publication', publication => say(reader, 'got', publication.data))
  subscription.on('unsubscribed', now => say(reader, 'strange', `unsubscribed: ${now.code} ${now.reason}`))
  client.on('disconnected', now => say(reader, 'strange', `gave up: ${now.code} ${now.reason}`))
  client.on('connecting', now => say(reader, 'trouble', `${now.code} ${now.reason}`))
  client.on('error', now => say(reader, 'trouble', now.error?.message))
  subscription.subscribe()
  client.connect()
})
