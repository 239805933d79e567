"""Raw bytes of HTTP/1.1 and WebSockets, for clients that break the rules."""

import asyncio
import base64
import collections
import json
import os
import random
import socket
import ssl

# What an attack counts; printed when it ends.
counts = collections.Counter()

# Found by the class's load tool in a message's text, and not counted as its own.
UNCOUNTED = "@m:p" + "0" * 35

REPORT = (
    "mutation R($groupId: ID!, $domain: String!, $nodeId: ID!, $data: [SensorDataInput!]!) "
    "{ reportDataByNode(groupId: $groupId, domain: $domain, nodeId: $nodeId, data: $data) "
    "{ groupId domain nodeStatus { nodeId data { key value } } } }"
)
FIRE = (
    "mutation F($groupId: ID!, $domain: String!, $nodeId: ID!, $events: [EventInput!]!) "
    "{ fireEventsByNode(groupId: $groupId, domain: $domain, nodeId: $nodeId, events: $events) "
    "{ groupId domain batchEvent { events { name payload } } } }"
)
SUBSCRIBE = (
    "subscription S($groupId: ID!, $domain: String!) { onMessageInGroup(groupId: $groupId, domain: $domain) "
    "{ groupId domain nodeStatus { nodeId data { key value } } batchEvent { events { name payload } } "
    "groupDissolve { message } } }"
)
STATUSES = (
    "query L($groupId: ID!, $domain: String!) { listGroupStatuses(groupId: $groupId, domain: $domain) "
    "{ nodeId data { key value } } }"
)


class Target:
    """The server, the addresses from which it is attacked, and maybe the class's group."""

    def __init__(self, host, port, tls_port, key, addresses, group=None):
        self.host, self.port, self.tls_port, self.key = host, port, tls_port, key
        self.addresses, self.class_group = addresses, group

    async def connect(self, tls=None, receive_buffer=None):
        """A connection from one of the addresses; `tls` names the protocol that TLS asks for."""
        sock = socket.socket()
        sock.setblocking(False)
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        # The port is chosen at connect: addresses do not run out of them.
        sock.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
        sock.bind((random.choice(self.addresses), 0))
        loop = asyncio.get_running_loop()
        try:
            await loop.sock_connect(sock, (self.host, self.tls_port if tls else self.port))
            context = tls and client_tls(tls)
            server_name = "localhost" if tls else None
            limit = 1024 if receive_buffer else 65536
            opened = await asyncio.open_connection(sock=sock, ssl=context, server_hostname=server_name, limit=limit)
        except BaseException:
            sock.close()
            raise
        counts["connections"] += 1
        return opened

    def post(self, document, variables=None, key=None, name="/graphql"):
        """The bytes of a request."""
        body = json.dumps({"query": document, "variables": variables or {}}).encode()
        head = (
            f"POST {name} HTTP/1.1\r\nhost: {self.host}:{self.port}\r\nx-api-key: {key or self.key}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    async def call(self, document, variables=None):
        """One call on a connection of its own; returns the answer's data."""
        reader, writer = await self.connect()
        writer.write(self.post(document, variables))
        answer = await read_answer(reader)
        writer.close()
        return answer

    async def group(self):
        """The class's group if it is attacked, else a new one of the attackers."""
        if self.class_group:
            return self.class_group
        create = (
            "mutation G($hostId: ID!) { createGroup(name: \"attackers\", hostId: $hostId, "
            "domain: \"attackers\", useWebSocket: true) { id } }"
        )
        answer = await self.call(create, {"hostId": os.urandom(8).hex()})
        return {"groupId": answer["data"]["createGroup"]["id"], "domain": "attackers"}

    async def open_socket(self, receive_buffer=None, init=True):
        """A WebSocket of graphql-transport-ws, acknowledged unless `init` is false."""
        reader, writer = await self.connect(receive_buffer=receive_buffer)
        writer.write(self.upgrade())
        await reader.readuntil(b"\r\n\r\n")
        if init:
            writer.write(text({"type": "connection_init", "payload": {"x-api-key": self.key}}))
            await reader.readuntil(b"connection_ack")
        return reader, writer

    def upgrade(self):
        """The bytes of an upgrade to a WebSocket."""
        nonce = base64.b64encode(os.urandom(16)).decode()
        return (
            f"GET /graphql HTTP/1.1\r\nhost: {self.host}\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
            f"sec-websocket-version: 13\r\nsec-websocket-key: {nonce}\r\n"
            "sec-websocket-protocol: graphql-transport-ws\r\n\r\n"
        ).encode()


def client_tls(protocol):
    """TLS that trusts any certificate and asks for a protocol."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols([protocol])
    return context


async def read_answer(reader):
    """The JSON of a response with a content length."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    length = int(head.split("content-length:")[1].split("\r\n")[0])
    return json.loads(await reader.readexactly(length))


def frame(opcode, payload=b"", final=True, length=None):
    """A client's frame, masked with zeros. `length` is what its head claims."""
    claimed = len(payload) if length is None else length
    if claimed < 126:
        size = bytes([0x80 | claimed])
    elif claimed < 65536:
        size = b"\xfe" + claimed.to_bytes(2, "big")
    else:
        size = b"\xff" + claimed.to_bytes(8, "big")
    return bytes([(0x80 if final else 0) | opcode]) + size + b"\0\0\0\0" + payload


def text(message):
    """A text frame with JSON."""
    return frame(1, json.dumps(message).encode())


async def portions(rate, every=0.02):
    """Counts that add up to `rate` a second. What a busy machine delays is not made up for."""
    loop = asyncio.get_running_loop()
    last, owed = loop.time(), 0.0
    while True:
        await asyncio.sleep(every)
        now = loop.time()
        owed += rate * min(now - last, 0.1)
        last = now
        yield int(owed)
        owed -= int(owed)


async def discard(reader, count=None):
    """Reads to the end; `count` names what is counted in the bytes: {name: bytes}."""
    while data := await reader.read(65536):
        for name, wanted in (count or {}).items():
            counts[name] += data.count(wanted)


async def steadily(rate, step, at_once=200):
    """Starts `step` so many times a second, at most `at_once` at a time; the peer's errors end one step."""
    running = set()
    async for count in portions(rate):
        for _ in range(min(count, at_once - len(running))):
            task = asyncio.create_task(guarded(step))
            running.add(task)
            task.add_done_callback(running.discard)


async def guarded(step):
    """A step; what the server or the system refuses is counted."""
    try:
        await asyncio.wait_for(step(), 30)
    except (OSError, EOFError, asyncio.TimeoutError, asyncio.LimitOverrunError, ValueError) as error:
        counts[type(error).__name__] += 1


async def again_and_again(session, how_many):
    """Keeps so many sessions going: a new one starts when one ends."""

    async def keep():
        while True:
            await guarded(session)
            await asyncio.sleep(0.05)

    await asyncio.gather(*(keep() for _ in range(how_many)))
