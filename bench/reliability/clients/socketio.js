// Readers by socket.io-client: node socketio.js URL READERS CHANNELS
import { io } from 'socket.io-client'
import { readers, say } from './say.js'

readers((reader, channel, url) => {
  const socket = io(url, {
    forceNew: true,
    transports: ['websocket', 'polling'], // the second if the first cannot be opened
    tryAllTransports: true,
    query: { channel },
    reconnectionDelay: 200,
    reconnectionDelayMax: 1000,
  })
  let before = false
  socket.on('connect', () => {
    if (before && !socket.recovered) say(reader, 'told', 'recovered is false')
    before = true
    say(reader, 'live')
  })
  socket.on('message', text => say(reader, 'got', text))
  socket.on('disconnect', reason => {
    say(reader, 'trouble', reason)
    if (!socket.active) say(reader, 'strange', `gave up: ${reason}`)
  })
  socket.on('connect_error', error => say(reader, 'trouble', error.message))
})
