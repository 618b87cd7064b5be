// Clients of MQTT.js: commands and what comes of them are lines of JSON, as in script.rs.

import readline from 'node:readline'
import { createRequire } from 'node:module'

const mqtt = createRequire(process.env.INTEROP_PEERS + '/')('mqtt')

const say = (link, what) => console.log(JSON.stringify({ link, ...what }))
const bytes = (hex) => hex ? Buffer.from(hex, 'hex') : undefined
const hex = (buffer) => buffer ? buffer.toString('hex') : null

// User properties are an object here: the values of one name in order, in an array if several.
const toObject = (pairs) => {
  const object = {}
  for (const [name, value] of pairs) (object[name] ??= []).push(value)
  return object
}
const toPairs = (object) =>
  Object.entries(object ?? {}).flatMap(([name, values]) => [values].flat().map((value) => [name, value]))

const properties = (message) => {
  const all = {
    payloadFormatIndicator: message.payload_format ? true : undefined,
    messageExpiryInterval: message.expiry ?? undefined,
    contentType: message.content_type ?? undefined,
    responseTopic: message.response_topic ?? undefined,
    correlationData: bytes(message.correlation_data),
    topicAlias: message.alias ?? undefined,
    userProperties: message.user.length ? toObject(message.user) : undefined
  }
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined))
}

const received = (topic, payload, { qos, retain, properties: has = {} }) => ({
  topic,
  payload: hex(payload),
  qos,
  retain,
  user: toPairs(has.userProperties),
  content_type: has.contentType,
  response_topic: has.responseTopic,
  correlation_data: hex(has.correlationData),
  payload_format: has.payloadFormatIndicator ? 1 : null,
  expiry: has.messageExpiryInterval,
  subscription_ids: [has.subscriptionIdentifier ?? []].flat(),
  alias: has.topicAlias
})

const open = (opening) => {
  const { link, version, will } = opening
  const client = mqtt.connect({
    host: '127.0.0.1',
    port: opening.port,
    protocolVersion: version,
    clientId: opening.client_id,
    clean: opening.clean,
    keepalive: opening.keep_alive,
    username: opening.user_name ?? undefined,
    password: opening.password ?? undefined,
    reconnectPeriod: 0,
    resubscribe: false,
    properties: version === 5
      ? {
          sessionExpiryInterval: opening.session_expiry,
          ...(opening.alias_maximum ? { topicAliasMaximum: opening.alias_maximum } : {})
        }
      : undefined,
    will: will
      ? {
          topic: will.topic,
          payload: bytes(will.payload),
          qos: will.qos,
          retain: will.retain,
          ...(version === 5 ? { properties: properties(will) } : {})
        }
      : undefined
  })
  let reason = null
  let connected = false
  client.on('connect', async ({ sessionPresent: present }) => {
    connected = true
    let granted = []
    if (opening.filters.length) {
      const map = Object.fromEntries(opening.filters.map(([filter, qos]) => [filter, { qos }]))
      const id = opening.subscription_id
      const options = id ? { properties: { subscriptionIdentifier: id } } : {}
      granted = (await client.subscribeAsync(map, options)).map(({ qos }) => qos)
    }
    say(link, { opened: { present, granted } })
  })
  client.on('message', (...args) => say(link, { message: received(...args) }))
  client.on('disconnect', (packet) => { reason = packet.reasonCode })
  client.on('error', (error) => {
    if (connected) console.error(error)
    else say(link, { refused: error.code })
  })
  client.on('close', () => say(link, { ended: reason }))
  return {
    async publish (message) {
      const { qos, retain } = message
      const options = { qos, retain, ...(version === 5 ? { properties: properties(message) } : {}) }
      await client.publishAsync(message.bare ? '' : message.topic, bytes(message.payload) ?? '', options)
      say(link, { done: true })
    },
    async unsubscribe (filter) {
      await client.unsubscribeAsync(filter)
      say(link, { done: true })
    },
    cut () { client.stream.destroy() },
    close () { client.end() }
  }
}

const links = new Map()
console.log('{"ready": true}')
for await (const line of readline.createInterface({ input: process.stdin })) {
  const command = JSON.parse(line)
  if (command.do === 'open') links.set(command.link, open(command))
  else links.get(command.link)[command.do](...command.with)
}
process.exit()
