"""What the scripts of the Python clients have in common: messages as JSON, and properties."""

import asyncio
import json
import logging
import sys
import threading

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

V5 = 5
_lock = threading.Lock()


def say(link, **what):
    """Tells one thing, in one line."""
    with _lock:
        print(json.dumps({"link": link, **what}), flush=True)


def properties(version, kind, **values):
    """The properties that have a value; None in 3.1.1, which has none."""
    if version != V5:
        return None
    made = Properties(kind)
    for name, value in values.items():
        if value:
            setattr(made, name, value)
    return made


def of_message(version, message, kind=PacketTypes.PUBLISH):
    correlation = message.get("correlation_data")
    return properties(
        version,
        kind,
        PayloadFormatIndicator=message.get("payload_format"),
        MessageExpiryInterval=message.get("expiry"),
        ContentType=message.get("content_type"),
        ResponseTopic=message.get("response_topic"),
        CorrelationData=bytes.fromhex(correlation) if correlation else None,
        TopicAlias=message.get("alias"),
        UserProperty=[tuple(pair) for pair in message.get("user", [])],
    )


def of_connect(version, opening):
    return properties(
        version,
        PacketTypes.CONNECT,
        SessionExpiryInterval=opening["session_expiry"],
        TopicAliasMaximum=opening["alias_maximum"],
    )


def of_subscribe(version, opening):
    return properties(
        version, PacketTypes.SUBSCRIBE, SubscriptionIdentifier=opening["subscription_id"]
    )


def of_will(version, will):
    return of_message(version, will, PacketTypes.WILLMESSAGE)


def payload(message):
    return bytes.fromhex(message["payload"])


def received(topic, message):
    """A message as it came."""
    has = getattr(message, "properties", None)
    correlation = getattr(has, "CorrelationData", None)
    return {
        "topic": topic,
        "payload": bytes(message.payload).hex(),
        "qos": message.qos,
        "retain": bool(message.retain),
        "user": getattr(has, "UserProperty", []),
        "content_type": getattr(has, "ContentType", None),
        "response_topic": getattr(has, "ResponseTopic", None),
        "correlation_data": correlation.hex() if correlation else None,
        "payload_format": getattr(has, "PayloadFormatIndicator", None),
        "expiry": getattr(has, "MessageExpiryInterval", None),
        "subscription_ids": getattr(has, "SubscriptionIdentifier", []),
        "alias": getattr(has, "TopicAlias", None),
    }


def commands():
    """The commands, until there are no more."""
    for line in sys.stdin:
        yield json.loads(line)


async def serve(start):
    """Runs the commands. `start` makes of one that opens a link its inbox and what runs it."""
    # An application that breaks in a callback is what a test is about.
    logging.disable(logging.CRITICAL)
    inboxes, running = {}, set()
    stdin = asyncio.StreamReader(limit=1 << 26)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(stdin), sys.stdin
    )
    print('{"ready": true}', flush=True)
    while line := await stdin.readline():
        command = json.loads(line)
        link = command["link"]
        if command["do"] == "open":
            inboxes[link], run = start(command)
            running.add(asyncio.create_task(run))
        else:
            inboxes[link].put_nowait(command)
