// aedes behind a WebSocket of the package ws. It speaks 3.1.1, and prints its URL.

import { createRequire } from 'node:module'

const require = createRequire(process.env.INTEROP_PEERS + '/')
const { Aedes } = require('aedes')
// MQTT.js depends on it.
const { WebSocketServer, createWebSocketStream } = createRequire(require.resolve('mqtt'))('ws')

const aedes = await Aedes.createBroker()
const server = new WebSocketServer({ host: '127.0.0.1', port: 0 })
server.on('connection', (socket, request) => aedes.handle(createWebSocketStream(socket), request))
server.on('listening', () => console.log(`ws://127.0.0.1:${server.address().port}`))
