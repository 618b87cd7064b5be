// MQTT.js, in node and in a browser: a client of 3.1.1 and one of 5.0 send each other messages, and
// watch a third, which is taken over.

const same = (is, should) => {
  if (is !== should) throw new Error(`${is.slice(0, 40)} instead of ${should.slice(0, 40)}`)
}

export async function run (mqtt, url, say) {
  const open = (protocolVersion) =>
    mqtt.connectAsync(url, { protocolVersion, reconnectPeriod: 0, connectTimeout: 20_000 })
  const clients = [['3.1.1', await open(4)], ['5.0', await open(5)]]
  for (const [version, client] of clients) {
    await client.subscribeAsync(`to/${version}`, { qos: 2 })
    say(`${version}: connected and subscribed`)
  }
  for (const [from, sender] of clients) {
    for (const [to, receiver] of clients) {
      for (const qos of [0, 1, 2]) {
        for (const size of [5, 300_000]) {
          const arrived = new Promise((resolve) =>
            receiver.once('message', (topic, payload, packet) => resolve({ topic, payload, packet })))
          const sent = 'x'.repeat(size)
          await sender.publishAsync(`to/${to}`, sent, { qos })
          const { topic, payload, packet } = await arrived
          same([topic, packet.qos, payload.toString()].join(), [`to/${to}`, qos, sent].join())
          say(`${from} to ${to}: ${size} bytes at QoS ${qos}`)
        }
      }
    }
  }
  for (const [version, watcher] of clients) {
    const next = () => new Promise((resolve) =>
      watcher.once('message', (topic, payload) => resolve(payload.toString())))
    const options = { protocolVersion: watcher.options.protocolVersion, reconnectPeriod: 0, clientId: 'mortal' }
    const first = await mqtt.connectAsync(url, { ...options, will: { topic: `to/${version}`, payload: 'gone', qos: 1 } })
    first.on('error', () => {})
    const [will, closed] = [next(), new Promise((resolve) => first.once('close', resolve))]
    const second = await mqtt.connectAsync(url, options)
    await closed
    same(await will, 'gone')
    say(`${version}: taken over, and its will came`)
    await watcher.unsubscribeAsync(`to/${version}`)
    const isV5 = version === '5.0'
    await watcher.subscribeAsync('other', { qos: 0, nl: isV5 })
    const other = next()
    if (isV5) await watcher.publishAsync('other', 'own', { qos: 1 })
    await second.publishAsync(`to/${version}`, 'unsubscribed', { qos: 1 })
    await second.publishAsync('other', 'subscribed', { qos: 1 })
    same(await other, 'subscribed')
    say(`${version}: unsubscribed`)
    await second.endAsync()
  }
  for (const [version, client] of clients) {
    await client.endAsync()
    say(`${version}: disconnected`)
  }
  say('all of it')
}

if (typeof window === 'undefined') {
  const { createRequire } = await import('node:module')
  await run(createRequire(process.env.INTEROP_PEERS + '/')('mqtt'), process.argv[2], console.log)
}
