"""An amqtt broker: prints its port, and ends with its standard input."""

import asyncio
import json
import logging
import sys

from amqtt.broker import Broker
from amqtt.plugins.base import BaseAuthPlugin


class Passwords(BaseAuthPlugin):
    """Everyone without a user name, and every user whose password is `secret`."""

    async def authenticate(self, *, session):
        return not session.username or session.password == "secret"


async def main():
    logging.disable(logging.CRITICAL)
    broker = Broker({
        "listeners": {"default": {"type": "tcp", "bind": "127.0.0.1:0"}},
        "plugins": {"__main__.Passwords": {}},
    })
    await broker.start()
    [server] = broker._servers["default"].instance.sockets
    print(json.dumps({"port": server.getsockname()[1]}), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


asyncio.run(main())
