"""Clients of paho-mqtt: commands and what comes of them are lines of JSON, as in script.rs."""

import socket

import paho.mqtt.client as mqtt
from messages import (
    V5, commands, of_connect, of_message, of_subscribe, of_will, payload, received, say,
)


class Link:
    def __init__(self, opening):
        self.name, self.opening, self.version = opening["link"], opening, opening["version"]
        clean = opening["clean"]
        self.client = client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2,
            client_id=opening["client_id"],
            clean_session=None if self.version == V5 else clean,
            protocol=self.version,
            reconnect_on_failure=False,
        )
        client.on_connect, client.on_disconnect = self.on_connect, self.on_disconnect
        client.on_subscribe, client.on_unsubscribe = self.on_subscribe, self.on_unsubscribe
        client.on_message, client.on_publish = self.on_message, self.on_publish
        if opening["user_name"]:
            client.username_pw_set(opening["user_name"], opening["password"])
        if will := opening["will"]:
            client.will_set(
                will["topic"], payload(will), will["qos"], will["retain"],
                of_will(self.version, will),
            )
        client.connect(
            "127.0.0.1", opening["port"], opening["keep_alive"],
            clean_start=clean if self.version == V5 else mqtt.MQTT_CLEAN_START_FIRST_ONLY,
            properties=of_connect(self.version, opening),
        )
        client.loop_start()

    def on_connect(self, _client, _data, flags, reason, _properties):
        if reason.is_failure:
            return say(self.name, refused=reason.value)
        self.present = flags.session_present
        if not self.opening["filters"]:
            return say(self.name, opened={"present": self.present, "granted": []})
        filters = [(topic, qos) for topic, qos in self.opening["filters"]]
        if self.version == V5:
            filters = [(topic, mqtt.SubscribeOptions(qos)) for topic, qos in filters]
        self.client.subscribe(filters, properties=of_subscribe(self.version, self.opening))

    def on_subscribe(self, _client, _data, _id, reasons, _properties):
        granted = [reason.value for reason in reasons]
        say(self.name, opened={"present": self.present, "granted": granted})

    def on_unsubscribe(self, *_):
        say(self.name, done=True)

    def on_publish(self, _client, _data, _id, reason, _properties):
        say(self.name, done=not reason.is_failure)

    def on_message(self, _client, _data, message):
        say(self.name, message=received(message.topic, message))

    def on_disconnect(self, _client, _data, flags, reason, _properties):
        by_packet = flags.is_disconnect_packet_from_server
        say(self.name, ended=reason.value if by_packet else None)

    def publish(self, message):
        topic = "" if message["bare"] else message["topic"]
        self.client.publish(
            topic, payload(message), message["qos"], message["retain"],
            of_message(self.version, message),
        )

    def unsubscribe(self, topic):
        self.client.unsubscribe(topic)

    def cut(self):
        self.client.socket().shutdown(socket.SHUT_RDWR)

    def close(self):
        self.client.disconnect()


links = {}
print('{"ready": true}', flush=True)
for command in commands():
    name, do = command["link"], command["do"]
    if do == "open":
        links[name] = Link(command)
    else:
        getattr(links[name], do)(*command["with"])
