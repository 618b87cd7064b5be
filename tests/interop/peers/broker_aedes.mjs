// An aedes broker: prints its port, and ends with its standard input.

import net from 'node:net'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

const aedes = createRequire(process.env.INTEROP_PEERS + '/').resolve('aedes')
const { Aedes } = await import(pathToFileURL(aedes))
const broker = await Aedes.createBroker({
  authenticate (client, userName, password, done) {
    done(null, !userName || String(password) === 'secret')
  }
})
const server = net.createServer(broker.handle)
server.listen(0, '127.0.0.1', () => console.log(JSON.stringify({ port: server.address().port })))
process.stdin.on('end', () => process.exit()).resume()
