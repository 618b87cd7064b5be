// MQTT.js, in node and in a browser: a client of 3.1.1 and one of 5.0 send each other messages.

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
          if (topic !== `to/${to}` || payload.toString() !== sent || packet.qos !== qos) {
            throw new Error(`${topic}: ${payload.length} bytes at QoS ${packet.qos}`)
          }
          say(`${from} to ${to}: ${size} bytes at QoS ${qos}`)
        }
      }
    }
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
