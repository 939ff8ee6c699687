// Echo on Node with ws, as Vonage's Node tutorial does it. `play FILE` sends the file's frames instead, by a timer per call.
'use strict'
const fs = require('fs')
const path = require('path')
const { WebSocketServer } = require('ws')

const [what, argument] = process.argv.slice(2)
let calls = 0

function echo(socket) {
  socket.on('message', (data, isBinary) => isBinary && socket.send(data))
}

function record(socket) {
  const file = fs.createWriteStream(path.join(argument, `${process.pid}-${calls++}.raw`))
  socket.on('message', (data, isBinary) => isBinary && file.write(data) | socket.send(data))
  socket.on('close', () => file.end())
}

const audio = what === 'play' ? fs.readFileSync(argument) : undefined

function play(socket) {
  socket.once('message', () => {
    const started = performance.now()
    let frame = 0
    const timer = setInterval(() => {
      for (; frame * 18.5 <= performance.now() - started; frame++) {
        socket.send(audio.subarray(frame * 640, frame * 640 + 640))
      }
      if (frame * 640 >= audio.length) clearInterval(timer)
    }, 18.5)
    socket.on('close', () => clearInterval(timer))
  })
}

const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false }, () =>
  console.log(server.address().port))
server.on('connection', { record, play }[what] || echo)
