// The MQTT.js clients and the aedes broker that record.py starts.
//   node record.mjs SCENARIO PORT
// record.py copies this file beside a node_modules with `mqtt` and `aedes`.

import net from 'node:net'
import mqtt from 'mqtt'
import { Aedes } from 'aedes'

const [scenario, portText] = process.argv.slice(2)
const port = Number(portText)
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

const open = (options) => mqtt.connectAsync({
  host: '127.0.0.1', port, reconnectPeriod: 0, keepalive: 60, ...options
})

// Resolves after `count` messages have arrived.
const messages = (client, count) => new Promise((resolve) => {
  client.on('message', () => { if (--count === 0) resolve() })
})

const scenarios = {
  // An aedes broker. User name and client id choose the answer to CONNECT.
  async broker () {
    const broker = await Aedes.createBroker({
      authenticate (client, username, password, done) {
        const refuse = (returnCode) => done(Object.assign(new Error('refused'), { returnCode }), false)
        if (client.id === 'rejected') return refuse(2)
        if (username === 'unavailable') return refuse(3)
        if (username && String(password) !== 'secret') return refuse(4)
        done(null, true)
      },
      authorizeSubscribe (client, sub, done) {
        done(null, sub.topic.startsWith('denied') ? null : sub)
      }
    })
    net.createServer(broker.handle).listen(port, '127.0.0.1')
  },

  // 5.0: topic aliases that MQTT.js assigns by itself, and explicit ones.
  async alias () {
    const client = await open({
      protocolVersion: 5, clientId: 'alias', autoAssignTopicAlias: true,
      properties: { topicAliasMaximum: 20 }
    })
    for (const round of [1, 2, 3]) {
      for (const [qos, topic] of ['alias/zero', 'alias/one', 'alias/two'].entries()) {
        await client.publishAsync(topic, `round ${round}`, { qos })
      }
    }
    await client.publishAsync('alias/explicit', 'set', { properties: { topicAlias: 9 } })
    await client.endAsync()
  },

  // 5.0: acknowledgements with reason codes chosen by the receiver.
  async acks () {
    const client = await open({
      protocolVersion: 5, clientId: 'acks',
      customHandleAcks: (topic, message, packet, done) => done(null, Number(message.toString()))
    })
    const handled = new Promise((resolve) => {
      let count = 0
      client.on('packetsend', (packet) => {
        if (['puback', 'pubcomp'].includes(packet.cmd) || (packet.cmd === 'pubrec' && packet.reasonCode)) {
          if (++count === 6) resolve()
        }
      })
    })
    await client.subscribeAsync('acks/#', { qos: 2 })
    for (const code of [0, 16, 131]) await client.publishAsync('acks/one', String(code), { qos: 1 })
    for (const code of [0, 151, 153]) await client.publishAsync('acks/two', String(code), { qos: 2 })
    await Promise.race([handled, sleep(3000)])
    await sleep(200)
    await client.endAsync(false, { reasonCode: 0 })
  },

  // 5.0: enhanced authentication at CONNECT, then again on the open connection.
  async auth () {
    const answer = {
      cmd: 'auth', reasonCode: 0x18,
      properties: { authenticationMethod: 'echo', authenticationData: Buffer.from('response') }
    }
    const client = mqtt.connect({
      host: '127.0.0.1', port, reconnectPeriod: 0, protocolVersion: 5, clientId: 'auth',
      properties: { authenticationMethod: 'echo', authenticationData: Buffer.from('hello') }
    })
    client.handleAuth = (packet, done) => done(null, packet.reasonCode === 0x18 ? answer : undefined)
    await new Promise((resolve, reject) => client.once('connect', resolve).once('error', reject))
    const again = new Promise((resolve) => client.on('packetreceive', (packet) => {
      if (packet.cmd === 'auth' && packet.reasonCode === 0) resolve()
    }))
    // MQTT.js has no public call to re-authenticate; its own writer sends this.
    client._sendPacket({
      cmd: 'auth', reasonCode: 0x19,
      properties: {
        authenticationMethod: 'echo', authenticationData: Buffer.from('hello again'),
        reasonString: 'again', userProperties: { try: '2' }
      }
    })
    await Promise.race([again, sleep(2000)])
    await client.endAsync()
  },

  // 5.0: a full CONNECT with a will, publish options, DISCONNECT 0x04 with properties.
  async full () {
    const client = await open({
      protocolVersion: 5, clientId: 'full-js', clean: false, username: 'user', password: 'secret',
      properties: {
        sessionExpiryInterval: 120, receiveMaximum: 7, maximumPacketSize: 65536, topicAliasMaximum: 3,
        requestResponseInformation: true, requestProblemInformation: true,
        userProperties: { site: ['a', 'b'], 'größe': '5 µm' }
      },
      will: {
        topic: 'full/will', payload: Buffer.from('gone'), qos: 2, retain: true,
        properties: {
          willDelayInterval: 0, payloadFormatIndicator: true, messageExpiryInterval: 60,
          contentType: 'text/plain', responseTopic: 'full/answer',
          correlationData: Buffer.from([0, 1, 2, 255]), userProperties: { why: 'lost' }
        }
      }
    })
    const all = messages(client, 3)
    await client.subscribeAsync({
      'full/+': { qos: 2, nl: false, rap: true, rh: 1 },
      'full/2': { qos: 1, nl: false, rap: false, rh: 2 }
    }, { properties: { subscriptionIdentifier: 268435455, userProperties: { k: 'v' } } })
    for (const qos of [0, 1, 2]) {
      await client.publishAsync(`full/${qos}`, Buffer.from([0xc3, 0x28, qos]), {
        qos, retain: qos === 1,
        properties: {
          payloadFormatIndicator: false, messageExpiryInterval: 4294967295, contentType: 'application/octet-stream',
          responseTopic: 'full/answer', correlationData: Buffer.alloc(16, 0xab), userProperties: { n: [`${qos}`, 'x'] }
        }
      })
    }
    await Promise.race([all, sleep(2000)])
    await sleep(200)
    await client.unsubscribeAsync(['full/+', 'not/there'], { properties: { userProperties: { k: 'v' } } })
    await client.endAsync(false, {
      reasonCode: 4, properties: { sessionExpiryInterval: 0, reasonString: 'with will', userProperties: { k: 'v' } }
    })
  },

  // 3.1.1: QoS 0, 1 and 2, retained, refused filter, keep alive, UNSUBSCRIBE.
  async qos () {
    const client = await open({
      protocolVersion: 4, clientId: 'qos-js', keepalive: 1, username: 'user', password: 'secret',
      will: { topic: 'qos/will', payload: Buffer.from('gone'), qos: 1, retain: false }
    })
    await client.publishAsync('qos/retained', 'kept', { qos: 1, retain: true })
    const all = messages(client, 4)
    await client.subscribeAsync(['qos/#', 'denied/x'], { qos: 2 }).catch(() => {})
    for (const qos of [0, 1, 2]) await client.publishAsync(`qos/${qos}`, `QoS ${qos}`, { qos })
    await Promise.race([all, sleep(2000)])
    await client.unsubscribeAsync(['qos/#', 'not/there'])
    await client.publishAsync('qos/retained', '', { qos: 2, retain: true })
    await sleep(2500)
    await client.endAsync()
  }
}

await scenarios[scenario]()
