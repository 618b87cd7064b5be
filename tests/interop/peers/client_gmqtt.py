"""Clients of gmqtt: commands and what comes of them are lines of JSON, as in script.rs."""

import asyncio
import socket

import gmqtt
from gmqtt.mqtt.handler import MQTTConnectError
from messages import V5, payload, say, serve

# Its names for the properties of a message, and ours.
NAMES = {
    "payload_format_id": "payload_format",
    "message_expiry_interval": "expiry",
    "content_type": "content_type",
    "response_topic": "response_topic",
    "topic_alias": "alias",
}


def properties(version, message):
    """The properties of a message to publish."""
    if version != V5:
        return {}
    made = {theirs: message[ours] for theirs, ours in NAMES.items() if message[ours]}
    if message["correlation_data"]:
        made["correlation_data"] = bytes.fromhex(message["correlation_data"])
    if message["user"]:
        made["user_property"] = [tuple(pair) for pair in message["user"]]
    return made


def received(topic, data, qos, has):
    """A message as it came."""
    def first(name):
        return has[name][0] if name in has else None

    correlation = first("correlation_data")
    return {
        "topic": topic,
        "payload": bytes(data).hex(),
        "qos": qos,
        "retain": bool(has["retain"]),
        "user": has.get("user_property", []),
        "correlation_data": correlation.hex() if correlation else None,
        "subscription_ids": has.get("subscription_identifier", []),
        **{ours: first(theirs) for theirs, ours in NAMES.items()},
    }


class Link:
    def __init__(self, opening):
        self.link, self.version, self.inbox = opening["link"], opening["version"], asyncio.Queue()
        will, asked = opening["will"], {}
        if self.version == V5:
            asked["session_expiry_interval"] = opening["session_expiry"] or 0
            asked["topic_alias_maximum"] = opening["alias_maximum"] or 0
        self.client = client = gmqtt.Client(
            opening["client_id"],
            clean_session=opening["clean"],
            will_message=will and gmqtt.Message(
                will["topic"], payload(will), will["qos"], will["retain"],
                **properties(self.version, will),
            ),
            **asked,
        )
        # None, not even one.
        client.set_config({"reconnect_retries": -2})
        if opening["user_name"] is not None:
            client.set_auth_credentials(opening["user_name"], opening["password"])
        self.present, self.answers, self.over = None, {}, asyncio.Event()
        client.on_connect = self.on_connect
        client.on_message = self.on_message
        client.on_disconnect = self.on_disconnect
        client.on_subscribe = lambda _, mid, codes, *rest: self.answer(mid).set_result(codes)
        client.on_unsubscribe = lambda _, mid, codes: self.answer(mid).set_result(codes)

    def answer(self, mid):
        return self.answers.setdefault(mid, asyncio.get_running_loop().create_future())

    def on_connect(self, client, flags, result, has):
        self.present = bool(flags)

    def on_message(self, client, topic, data, qos, has):
        say(self.link, message=received(topic, data, qos, has))
        return 0

    def on_disconnect(self, client, packet, exc=None):
        # The end behind a refusal is told as that.
        if not (self.over.is_set() or client._package_handler.has_error):
            self.over.set()
            reason = packet[0] if isinstance(packet, (bytes, bytearray)) and packet else None
            say(self.link, ended=reason)

    async def run(self, opening):
        try:
            await self.client.connect(
                "127.0.0.1", opening["port"], keepalive=opening["keep_alive"], version=self.version
            )
        except MQTTConnectError as error:
            return say(self.link, refused=error._code)
        granted = []
        for topic, qos in opening["filters"]:
            asked = {}
            if self.version == V5 and opening["subscription_id"]:
                asked["subscription_identifier"] = opening["subscription_id"]
            granted += await self.answer(self.client.subscribe(topic, qos, **asked))
        say(self.link, opened={"present": self.present, "granted": granted})
        while True:
            command = await self.inbox.get()
            match command["do"], *command["with"]:
                case ["publish", message]:
                    self.client.publish(
                        "" if message["bare"] else message["topic"], payload(message),
                        message["qos"], message["retain"], **properties(self.version, message),
                    )
                    await self.client._persistent_storage.wait_empty()
                    say(self.link, done=True)
                case ["unsubscribe", topic]:
                    await self.answer(self.client.unsubscribe(topic))
                    say(self.link, done=True)
                case ["cut"]:
                    transport = self.client._connection._transport
                    transport.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
                case ["close"]:
                    await self.client.disconnect()
                    self.on_disconnect(self.client, None)


def start(opening):
    link = Link(opening)
    return link.inbox, link.run(opening)


asyncio.run(serve(start))
