"""Clients of aiomqtt: commands and what comes of them are lines of JSON, as in script.rs."""

import asyncio
import socket

import aiomqtt
from aiomqtt.exceptions import MqttConnectError
from messages import (
    V5, of_connect, of_message, of_subscribe, of_will, payload, received, say, serve,
)
from paho.mqtt.subscribeoptions import SubscribeOptions


def reason(error):
    """The code in an error; None if the connection just ended."""
    code = getattr(error, "rc", None)
    value = getattr(code, "value", None)
    # So paho-mqtt calls a connection that ended without a packet.
    return None if value == 0x80 else value


async def run(opening, inbox):
    link, version = opening["link"], opening["version"]
    will = opening["will"]
    client = aiomqtt.Client(
        "127.0.0.1",
        opening["port"],
        identifier=opening["client_id"],
        protocol=aiomqtt.ProtocolVersion(version),
        username=opening["user_name"],
        password=opening["password"],
        clean_session=None if version == V5 else opening["clean"],
        clean_start=opening["clean"] if version == V5 else 3,
        keepalive=opening["keep_alive"],
        properties=of_connect(version, opening),
        will=will and aiomqtt.Will(
            will["topic"], payload(will), will["qos"], will["retain"], of_will(version, will)
        ),
    )
    try:
        async with client:
            reading = asyncio.create_task(read(link, client))
            granted = []
            for topic, qos in opening["filters"]:
                asked = {"options": SubscribeOptions(qos)} if version == V5 else {"qos": qos}
                granted += await client.subscribe(
                    topic, **asked, properties=of_subscribe(version, opening)
                )
            granted = [getattr(code, "value", code) for code in granted]
            # aiomqtt does not tell whether the session was there.
            say(link, opened={"present": None, "granted": granted})
            await obey(link, client, version, inbox)
            reading.cancel()
        say(link, ended=None)
    except MqttConnectError as error:
        say(link, refused=reason(error))
    except aiomqtt.MqttError as error:
        say(link, ended=reason(error.__cause__))


async def read(link, client):
    try:
        async for message in client.messages:
            say(link, message=received(str(message.topic), message))
    except aiomqtt.MqttError as error:
        say(link, ended=reason(error.__cause__))


async def obey(link, client, version, inbox):
    while True:
        command = await inbox.get()
        match command["do"], *command["with"]:
            case ["publish", message]:
                topic = "" if message["bare"] else message["topic"]
                await client.publish(
                    topic, payload(message), message["qos"], message["retain"],
                    of_message(version, message),
                )
                say(link, done=True)
            case ["unsubscribe", topic]:
                await client.unsubscribe(topic)
                say(link, done=True)
            case ["cut"]:
                client._client.socket().shutdown(socket.SHUT_RDWR)
            case ["close"]:
                break
    # The end of `async with` sends DISCONNECT.


def start(opening):
    inbox = asyncio.Queue()
    return inbox, run(opening, inbox)


asyncio.run(serve(start))
