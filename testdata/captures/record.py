#!/usr/bin/env python3
"""Records MQTT traffic between implementations that are not ours.

    NODE_MODULES=DIR python3 record.py OUTDIR

Needs, installed outside of the repository:
  Debian: mosquitto mosquitto-clients mosquitto-dev libmosquitto-dev gcc nodejs
  PyPI:   paho-mqtt 2.x, for the Python that runs this script
  npm:    mqtt and aedes; NODE_MODULES is the node_modules folder they are in

Each connection goes through a proxy that writes one file a direction:
OUTDIR/<version>-<scenario>-<client>[-<broker>].<client|server>.bin
The proxy splits the stream at packet borders and fails if bytes are left over.
"""

import contextlib
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

HERE = pathlib.Path(__file__).resolve().parent
HOST = "127.0.0.1"
V311, V5 = mqtt.MQTTv311, mqtt.MQTTv5
TOOL_VERSION = {V311: "mqttv311", V5: "mqttv5"}
PUBACK, PUBREC, PUBCOMP = 4, 5, 7


def packet_end(data):
    """The length of the first packet in data, or None if it is not complete."""
    length = 0
    for i, byte in enumerate(data[1:5]):
        length |= (byte & 0x7F) << (7 * i)
        if byte < 0x80:
            return 2 + i + length if len(data) >= 2 + i + length else None
    return None


def shutdown(sock, how):
    with contextlib.suppress(OSError):
        sock.shutdown(how)


class Tap:
    """A proxy that records connection number k under names[k].

    A name that ends in .client or .server keeps that direction alone; None
    keeps nothing.
    cuts[k] = (direction, packet type): the first such packet is recorded but
    not passed on, and both sides are closed.
    """

    def __init__(self, port, *names, cuts=()):
        self.target, self.names, self.cuts = port, names, cuts
        self.threads, self.sockets, self.errors = [], [], []
        self.listener = socket.create_server((HOST, 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        for k, name in enumerate(self.names):
            cut = self.cuts[k] if k < len(self.cuts) else None
            try:
                client = self.listener.accept()[0]
            except OSError:
                self.errors.append(f"{name}: no connection")
                return
            server = socket.create_connection((HOST, self.target))
            self.sockets += client, server
            for args in (client, server, "client"), (server, client, "server"):
                thread = threading.Thread(target=self.pump, args=(name, cut, *args))
                self.threads.append(thread)
                thread.start()
        self.listener.close()

    def pump(self, name, cut, source, sink, direction):
        record, rest = bytearray(), bytearray()
        done = False
        with contextlib.suppress(ConnectionError):
            while not done and (data := source.recv(65536)):
                rest += data
                while not done and (end := packet_end(rest)):
                    packet = rest[:end]
                    del rest[:end]
                    record += packet
                    if cut == (direction, packet[0] >> 4):
                        rest.clear()
                        done = True
                    else:
                        with contextlib.suppress(OSError):  # The receiver may have closed already.
                            sink.sendall(packet)
        if done:
            shutdown(source, socket.SHUT_RDWR)
        shutdown(sink, socket.SHUT_RDWR if done else socket.SHUT_WR)
        if rest:
            self.errors.append(f"{name}.{direction}: {len(rest)} bytes of a partial packet")
        if name and record and not name.endswith(".server" if direction == "client" else ".client"):
            base = name.removesuffix(f".{direction}")
            (OUT / f"{base}.{direction}.bin").write_bytes(record)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        shutdown(self.listener, socket.SHUT_RDWR)
        self.listener.close()
        for thread in self.threads:
            thread.join(5)
        if any(t.is_alive() for t in self.threads):
            self.errors.append(f"{self.names}: still open")
            for s in self.sockets:
                shutdown(s, socket.SHUT_RDWR)
        if self.errors and not error[0]:
            raise SystemExit("\n".join(self.errors))


class Paho(mqtt.Client):
    """A paho client that counts its callbacks, to wait for them."""

    def __init__(self, port, version, client_id, reconnect=False, setup=None, **connect):
        extra = {"clean_session": connect.pop("clean", True)} if version == V311 else {}
        super().__init__(mqtt.CallbackAPIVersion.VERSION2, client_id, protocol=version,
                         reconnect_on_failure=reconnect, **extra)
        self.seen = dict.fromkeys(("connect", "disconnect", "publish", "subscribe", "unsubscribe", "message"), 0)
        for kind in self.seen:
            setattr(self, "on_" + kind, self.counter(kind))
        if setup:
            setup(self)
        self.reconnect_delay_set(1, 1)
        with contextlib.suppress(ConnectionError):
            self.connect(HOST, port, **connect)
        self.loop_start()
        self.wait("connect")

    def counter(self, kind):
        def count(*_):
            self.seen[kind] += 1
        return count

    def wait(self, kind, count=1, timeout=5):
        """Waits until the callback has come count times in all."""
        end = time.monotonic() + timeout
        while self.seen[kind] < count:
            if time.monotonic() > end:
                raise SystemExit(f"{self._client_id}: {kind} {self.seen[kind]}/{count}")
            time.sleep(0.01)

    def close(self, reason=None, properties=None):
        time.sleep(0.2)  # Lets the last acknowledgements out.
        self.disconnect(reason, properties)
        self.loop_stop()


def props(kind, **values):
    result = Properties(getattr(PacketTypes, kind))
    for name, value in values.items():
        setattr(result, name, value)
    return result


def reason(kind, code):
    return ReasonCode(getattr(PacketTypes, kind), identifier=code)


def publish_props(**more):
    return props("PUBLISH", PayloadFormatIndicator=1, MessageExpiryInterval=3600, ContentType="text/plain",
                 ResponseTopic="answer/to/this", CorrelationData=b"\x00\x01\xfe\xff",
                 UserProperty=[("key", "value"), ("key", "other"), ("", "")], **more)


def free_port():
    with socket.create_server((HOST, 0)) as s:
        return s.getsockname()[1]


def wait_for_port(port):
    for _ in range(200):
        with contextlib.suppress(OSError), socket.create_connection((HOST, port)):
            return
        time.sleep(0.05)
    raise SystemExit("no broker")


@contextlib.contextmanager
def process(*command, port=None):
    child = subprocess.Popen([str(c) for c in command], stdout=subprocess.DEVNULL)
    try:
        if port:
            wait_for_port(port)
        yield child
    finally:
        child.terminate()
        child.wait()


@contextlib.contextmanager
def mosquitto(name, config):
    port = free_port()
    path = WORK / f"{name}.conf"
    path.write_text(f"listener {port} {HOST}\nallow_anonymous true\nuser root\nlog_type none\n{config}")
    with process("mosquitto", "-c", path, port=port):
        yield port


def run(*command):
    subprocess.run([str(c) for c in command], check=True, timeout=30, stdout=subprocess.DEVNULL)


def node(scenario, port):
    run("node", WORK / "record.mjs", scenario, port)


def tool(name, port, version, *args):
    run(f"mosquitto_{name}", "-h", HOST, "-p", port, "-V", TOOL_VERSION[version], *args)


def setup_work():
    """Builds the plugin and lays out the node scripts and the brokers' files."""
    shutil.copy(HERE / "record.mjs", WORK)
    (WORK / "node_modules").symlink_to(pathlib.Path(os.environ["NODE_MODULES"]).resolve())
    run("cc", "-shared", "-fPIC", "-o", WORK / "plugin.so", HERE / "plugin.c")
    run("mosquitto_passwd", "-b", "-c", WORK / "passwords", "user", "secret")


# Scenarios: v is the protocol version, n its name in the files.

def connect(port):
    def user(c):
        c.username_pw_set("user", "secret")

    def will(c):
        user(c)
        c.will_set("connect/will", b"gone", 1, True)

    def will5(c):
        user(c)
        c.will_set("connect/will", "gone – ☂", 2, False, props(
            "WILLMESSAGE", WillDelayInterval=1, PayloadFormatIndicator=1, MessageExpiryInterval=30,
            ContentType="text/plain", ResponseTopic="connect/answer", CorrelationData=b"\x00\xff",
            UserProperty=("reason", "lost")))

    with Tap(port, "v311-connect-paho.client") as tap:
        Paho(tap.port, V311, "connect", setup=will, keepalive=300).close()
    with Tap(port, "v5-connect-paho.client") as tap:
        Paho(tap.port, V5, "connect", setup=will5, keepalive=65535, clean_start=False, properties=props(
            "CONNECT", SessionExpiryInterval=3600, ReceiveMaximum=10, MaximumPacketSize=1048576, TopicAliasMaximum=16,
            RequestResponseInformation=1, RequestProblemInformation=0, UserProperty=[("a", "1"), ("a", "2")]),
        ).close(reason("DISCONNECT", 4), props(
            "DISCONNECT", SessionExpiryInterval=0, ReasonString="with will", UserProperty=("k", "v")))
    with Tap(port, "v5-emptyid-paho") as tap:
        Paho(tap.port, V5, "").close(reason("DISCONNECT", 0))


def refused(port, aedes):
    def login(name, password):
        return lambda c: c.username_pw_set(name, password)

    for p, name, v, client_id, setup in (
            (port, "v311-refused-paho.server", V311, "refused", login("user", "wrong")),
            (port, "v5-refused-paho.server", V5, "refused", login("user", "wrong")),
            (aedes, "v311-refused2-paho-aedes.server", V311, "rejected", None),
            (aedes, "v311-refused3-paho-aedes", V311, "refused", login("unavailable", None)),
            (aedes, "v311-refused4-paho-aedes.server", V311, "refused", login("user", "wrong"))):
        with Tap(p, name) as tap:
            c = Paho(tap.port, v, client_id, setup=setup)
            c.wait("disconnect")
            c.loop_stop()
    with Tap(port, "v5-authmethod-paho.server") as tap:
        c = Paho(tap.port, V5, "refused", properties=props("CONNECT", AuthenticationMethod="unknown"))
        c.wait("disconnect")
        c.loop_stop()


def qos(port, v, n):
    with Tap(port, f"{n}-qos-paho") as tap:
        c = Paho(tap.port, v, "qos", keepalive=1)
        c.subscribe([("qos/0", 0), ("qos/+", 1), ("qos/#", 2)])
        c.wait("subscribe")
        for level in 0, 1, 2:
            c.publish(f"qos/{level}", f"QoS {level}", level)
        c.publish("qos/ünï/☃", "", 2)
        c.publish("nobody/listens", b"\x00\xff", 1)
        c.publish("nobody/listens", b"\x00\xff", 2)
        c.wait("publish", 6)
        c.unsubscribe(["qos/0", "qos/+", "qos/#", "not/there"])
        c.wait("unsubscribe")
        time.sleep(2.5)  # For PINGREQ and PINGRESP.
        c.close()


def large(port, v, n):
    (WORK / "large").write_bytes(bytes(i % 251 for i in range(20480)))
    with Tap(port, f"{n}-large-mosquitto_sub.server" if v == V5 else None) as sub:
        with process("mosquitto_sub", "-h", HOST, "-p", sub.port, "-V", TOOL_VERSION[v],
                     "-t", "large", "-q", "1", "-C", "1", "-N") as child:
            time.sleep(0.5)
            with Tap(port, f"{n}-large-mosquitto_pub.client" if v == V311 else None) as pub:
                tool("pub", pub.port, v, "-t", "large", "-q", "2", "-f", WORK / "large")
            child.wait(5)


def retained(port, v, n):
    more = [] if v == V311 else [a for name, *value in (
        ("payload-format-indicator", "1"), ("message-expiry-interval", "600"), ("content-type", "text/plain"),
        ("response-topic", "answer"), ("correlation-data", "id-1"), ("user-property", "name", "value"),
    ) for a in ("-D", "publish", name, *value)]
    for level in 0, 1, 2:
        args = ("-t", f"retained/{level}", "-m", f"kept {level}", "-q", level, "-r", *more)
        if level == 1:
            with Tap(port, f"{n}-retained-mosquitto_pub.client") as tap:
                tool("pub", tap.port, v, *args)
        else:
            tool("pub", port, v, *args)
    if v == V5:
        more = ["-D", "connect", "user-property", "a", "b", "-D", "connect", "receive-maximum", "20",
                "-D", "connect", "topic-alias-maximum", "5", "-D", "subscribe", "subscription-identifier", "129",
                "-D", "subscribe", "user-property", "c", "d", "-D", "disconnect", "user-property", "e", "f",
                "-D", "disconnect", "reason-string", "done", "-x", "60", "--retain-as-published"]
    with Tap(port, f"{n}-retained-mosquitto_sub") as tap:
        tool("sub", tap.port, v, "-i", f"retained-{n}", "-c", "-t", "retained/#", "-t", "other/+", "-U", "not/there",
             "-q", "2", "-C", "3", "-W", "5", *more)


def will(port, v, n):
    with Tap(port, f"{n}-will-paho.server", f"{n}-will-mosquitto_sub.client") as tap:
        more = [] if v == V311 else [
            "-D", "will", "content-type", "text/plain", "-D", "will", "user-property", "a", "b",
            "-D", "will", "message-expiry-interval", "10"]
        c = Paho(tap.port, v, "heir")
        c.subscribe(f"will/{n}", 1)
        c.wait("subscribe")
        with process("mosquitto_sub", "-h", HOST, "-p", tap.port, "-V", TOOL_VERSION[v],
                     "-i", "testator", "-k", "5", "-t", "will/none", "--will-topic", f"will/{n}",
                     "--will-payload", "gone", "--will-qos", "1", "--will-retain", *more) as child:
            time.sleep(0.5)
            child.kill()
            c.wait("message")
        c.close()


def resend(port, v, n):
    """The client sends PUBLISH with DUP, then PUBREL, again after a cut."""
    names = [None, f"{n}-resend2-paho", f"{n}-resend3-paho.client"]
    with Tap(port, *names, cuts=[("server", PUBACK), ("server", PUBCOMP)]) as tap:
        kept = {"clean": False} if v == V311 else {"properties": props("CONNECT", SessionExpiryInterval=60)}
        c = Paho(tap.port, v, f"resend-{n}", reconnect=True, **kept)
        c.publish("resend/1", "QoS 1", 1)
        c.publish("resend/2", "QoS 2", 2)
        c.wait("publish", 2, 10)
        c.close()


def redeliver(port, v, n):
    """The broker sends PUBLISH with DUP, then PUBREL, again after a cut."""
    names = [None, f"{n}-redeliver2-mosquitto_sub", f"{n}-redeliver3-mosquitto_sub.server"]
    with Tap(port, *names, cuts=[("client", PUBREC), ("client", PUBCOMP)]) as tap:
        args = ["-x", "60"] if v == V5 else []
        with process("mosquitto_sub", "-h", HOST, "-p", tap.port, "-V", TOOL_VERSION[v], "-i",
                     f"redeliver-{n}", "-c", "-t", "redeliver/#", "-q", "2", "-C", "2", *args) as child:
            time.sleep(0.5)
            tool("pub", port, v, "-t", "redeliver/2", "-q", "2", "-m", "QoS 2")
            child.wait(10)


def acl(port, v, n):
    with Tap(port, f"{n}-acl-paho.server") as tap:
        c = Paho(tap.port, v, "acl")
        c.subscribe([("acl/x", 0), ("denied/x", 1), ("denied/#", 2)])
        c.wait("subscribe")
        c.publish("denied/x", "no", 1)
        c.publish("denied/x", "no", 2)
        c.wait("publish", 2)
        c.close()


def v5_publish(port):
    with Tap(port, "v5-publish-paho") as tap:
        c = Paho(tap.port, V5, "publish", properties=props("CONNECT", TopicAliasMaximum=10))
        for name, number in ("publish/#", 1), ("publish/+", 200), ("publish/props", 268435455):
            c.subscribe(name, options=SubscribeOptions(2, retainAsPublished=True),
                        properties=props("SUBSCRIBE", SubscriptionIdentifier=number, UserProperty=("k", "v")))
        c.wait("subscribe", 3)
        for level in 0, 1, 2:
            c.publish("publish/props", "all of them", level, level == 2, publish_props())
        c.publish("publish/alias", "set", 1, properties=publish_props(TopicAlias=10))
        c.publish("", "used", 1, properties=props("PUBLISH", TopicAlias=10))
        c.publish("publish/empty", None, 0, properties=props("PUBLISH", PayloadFormatIndicator=0))
        c.wait("publish", 6)
        c.wait("message", 6)
        c.close(reason("DISCONNECT", 0), props("DISCONNECT", UserProperty=("bye", "bye")))


def v5_subscribe(port):
    with Tap(port, "v5-subscribe-paho") as tap:
        c = Paho(tap.port, V5, "subscribe")
        c.subscribe([
            ("subscribe/a", SubscribeOptions(0, noLocal=True, retainHandling=0)),
            ("subscribe/+/b", SubscribeOptions(1, retainAsPublished=True, retainHandling=1)),
            ("$share/group/subscribe/#", SubscribeOptions(2, retainHandling=2)),
        ], properties=props("SUBSCRIBE", UserProperty=[("k", "v"), ("k", "w")]))
        c.wait("subscribe")
        c.publish("subscribe/a", "not to me", 1)
        c.publish("subscribe/x/b", "twice", 2)
        c.wait("message", 3)
        c.unsubscribe(["subscribe/a", "$share/group/subscribe/#", "not/there"],
                      properties=props("UNSUBSCRIBE", UserProperty=("k", "v")))
        c.wait("unsubscribe")
        c.close(properties=props("DISCONNECT", SessionExpiryInterval=0))


def v5_server_disconnect(port, limited):
    with Tap(port, "v5-kick-paho.server") as tap:
        c = Paho(tap.port, V5, "victim")
        tool("pub", port, V5, "-t", "kick", "-m", "victim")
        c.wait("disconnect")
        c.loop_stop()
    for name, topic, payload, level, retain, more in (
            ("aliaslimit", "limited", "x", 0, False, {"TopicAlias": 100}),
            ("toolarge", "limited", "x" * 3000, 0, False, {}),
            ("noretain", "limited", "x", 1, True, {}),
            ("noqos2", "limited", "x", 2, False, {})):
        with Tap(limited, f"v5-{name}-paho.server") as tap:
            c = Paho(tap.port, V5, "limited", keepalive=600)
            # Straight to the wire: paho itself keeps to the limits of CONNACK.
            c._send_publish(1, topic.encode(), payload.encode(), level, retain,
                            info=mqtt.MQTTMessageInfo(1), properties=props("PUBLISH", **more))
            c.wait("disconnect")
            c.loop_stop()


def v5_request(port):
    with Tap(port, "v5-request-mosquitto_rr") as tap:
        c = Paho(port, V5, "responder")
        c.on_message = lambda c, _, m: c.publish(
            m.properties.ResponseTopic, "answer", 1,
            properties=props("PUBLISH", CorrelationData=m.properties.CorrelationData))
        c.subscribe("request", 1)
        c.wait("subscribe")
        tool("rr", tap.port, V5, "-t", "request", "-e", "request/answer", "-m", "question", "-q", "1", "-W", "5",
             "-D", "publish", "correlation-data", "id-7")
        c.close()


def main():
    setup_work()
    full = f"plugin {WORK}/plugin.so\npassword_file {WORK}/passwords\n"
    limits = ("max_qos 1\nretain_available false\nmax_packet_size 2000\nmax_keepalive 300\n"
              "max_inflight_messages 5\nmax_topic_alias 2\n")
    aedes = free_port()
    with mosquitto("full", full) as port, mosquitto("limited", limits) as limited, \
            process("node", WORK / "record.mjs", "broker", aedes, port=aedes):
        connect(port)
        refused(port, aedes)
        for v, n in (V311, "v311"), (V5, "v5"):
            for scenario in qos, large, retained, will, resend, redeliver, acl:
                print(scenario.__name__, n)
                scenario(port, v, n)
        print("v5 only")
        v5_publish(port)
        v5_subscribe(port)
        v5_request(port)
        v5_server_disconnect(port, limited)
        for p, scenario, name in (
                (port, "alias", "v5-alias-mqttjs"),
                (port, "acks", "v5-acks-mqttjs"),
                (port, "auth", "v5-auth-mqttjs"),
                (port, "full", "v5-full-mqttjs"),
                (aedes, "qos", "v311-qos-mqttjs-aedes")):
            print("MQTT.js", scenario)
            with Tap(p, name) as tap:
                node(scenario, tap.port)


if __name__ == "__main__":
    OUT = pathlib.Path(sys.argv[1])
    OUT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        WORK = pathlib.Path(folder)
        main()
