// A small Socket.IO server with its defaults: whoever connects joins the room
// that the query names, and what is POSTed to it goes to the room.
//
//   GET /socket.io/?channel={room}   POST /publish/{room}
//
// With --history, it keeps what it sent, so that clients can recover. With
// --recover=SECONDS it does so for clients that are away for no longer, and
// notices within five seconds that one has fallen silent.
import { createServer } from 'node:http'
import { Server } from 'socket.io'

const http = createServer((request, response) => {
  const room = request.url.split('/')[2]
  if (request.method !== 'POST' || !room) {
    response.writeHead(404).end()
    return
  }
  const parts = []
  request.on('data', part => parts.push(part))
  request.on('end', () => {
    io.to(room).emit('message', Buffer.concat(parts).toString())
    response.writeHead(204).end()
  })
})
http.keepAliveTimeout = 10 * 60_000 // publishers stay
http.requestTimeout = 0

const recover = process.argv.find(arg => arg.startsWith('--recover='))?.split('=')[1]
const away = recover ? recover * 1000 : process.argv.includes('--history') && 2 * 60_000
const io = new Server(http, {
  serveClient: false,
  ...(away && { connectionStateRecovery: { maxDisconnectionDuration: away } }),
  ...(recover && { pingInterval: 2000, pingTimeout: 3000 }),
})
io.on('connection', socket => socket.join(socket.handshake.query.channel))

http.listen({ host: '127.0.0.1', port: 0, backlog: 4096 }, () => console.log(`listening on 127.0.0.1:${http.address().port}`))
process.on('SIGTERM', () => {
  if (recover) io.close()
  setTimeout(() => process.exit(0), recover ? 200 : 0)
})
