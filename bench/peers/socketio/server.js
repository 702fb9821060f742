// A small Socket.IO server with its defaults: whoever connects joins the room
// that the query names, and what is POSTed to it goes to the room.
//
//   GET /socket.io/?channel={room}   POST /publish/{room}
//
// With --history, it keeps what it sent, so that clients can recover.
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

const io = new Server(http, {
  serveClient: false,
  ...(process.argv.includes('--history') && { connectionStateRecovery: { maxDisconnectionDuration: 2 * 60_000 } }),
})
io.on('connection', socket => socket.join(socket.handshake.query.channel))

http.listen({ host: '127.0.0.1', port: 0, backlog: 4096 }, () => console.log(`listening on 127.0.0.1:${http.address().port}`))
process.on('SIGTERM', () => process.exit(0))
