"""Attacks by connections: slow, vanishing, too many, or with requests that can be read in two ways."""

import asyncio
import itertools
import socket
import struct

from wire import again_and_again, counts, discard, frame, steadily


async def slow_writers(target):
    """600 connections that send a head, a body or a WebSocket message byte by byte."""
    head = target.post("{ __typename }")
    body_at = head.index(b"\r\n\r\n") + 4
    message = frame(1, b'{"type": "ping"}'.ljust(4000))
    kinds = itertools.cycle(["head", "body", "message"])

    async def session():
        kind = next(kinds)
        if kind == "message":
            reader, writer = await target.open_socket()
            slow = message
        else:
            reader, writer = await target.connect()
            slow = head
            if kind == "body":
                writer.write(head[:body_at])
                slow = head[body_at:]
        reading = asyncio.create_task(discard(reader, {"408": b"HTTP/1.1 408"}))
        try:
            for byte in slow:
                writer.write(bytes([byte]))
                await asyncio.sleep(0.5)
                if reading.done():
                    counts["closed by the server"] += 1
                    return
        finally:
            reading.cancel()
            writer.transport.abort()

    await again_and_again(session, 600)


async def vanishing_peers(target):
    """400 peers a second that connect, ask or upgrade, and are gone: by a reset, an end, or silently."""
    ways = itertools.cycle(itertools.product(("connected", "asked", "upgraded"), ("reset", "ended", "silent")))
    request = target.post("{ __typename }")

    async def step():
        before, way = next(ways)
        if before == "upgraded":
            _, writer = await target.open_socket()
        else:
            _, writer = await target.connect()
            if before == "asked":
                writer.write(request)
        sock = writer.get_extra_info("socket")
        if way == "reset":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif way == "silent":
            # The system forgets the connection and tells the peer nothing.
            try:
                sock.setsockopt(socket.IPPROTO_TCP, 19, 1)  # TCP_REPAIR
            except PermissionError:
                counts["cannot vanish silently"] += 1
        writer.transport.abort()

    await steadily(400, step)


async def connection_flood(target):
    """1,000 new connections a second, held open: 200 of each address or 4,000 of one, a fifth WebSockets."""
    held = []
    most = 4_000 if len(target.addresses) == 1 else 200 * len(target.addresses)
    numbers = itertools.count()

    async def step():
        if len(held) >= most:
            held.pop(0).transport.abort()
        if next(numbers) % 5 == 0:
            _, writer = await target.open_socket()
        else:
            _, writer = await target.connect()
        held.append(writer)

    await steadily(1_000, step)


async def tls_handshakes(target):
    """150 TLS handshakes a second that end at once, and 300 that never go on."""

    async def step():
        _, writer = await target.connect(tls="http/1.1")
        writer.transport.abort()

    async def stuck():
        reader, writer = await asyncio.open_connection(target.host, target.tls_port, local_addr=(target.addresses[0], 0))
        try:
            writer.write(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
            await asyncio.wait_for(discard(reader), 29)
            counts["closed by the server"] += 1
        finally:
            writer.transport.abort()

    await asyncio.gather(steadily(150, step), again_and_again(stuck, 300))


async def odd_requests(target):
    """300 requests a second that two servers may read differently, or that are none."""
    query = b'{"query":"{ __typename }"}'
    head = f"POST /graphql HTTP/1.1\r\nhost: x\r\nx-api-key: {target.key}\r\ncontent-type: application/json\r\n"
    head = head.encode()
    hidden = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(query), query)
    sized = b"content-length: %d\r\n" % len(query)
    te = b"transfer-encoding: chunked\r\n"
    # Of these, the server may answer what is before `hidden`, and never `hidden` itself.
    ambiguous = [
        head + sized + b"content-length: %d\r\n\r\n" % (len(query) + len(hidden)) + query + hidden,
        head + b"content-length: %d, %d\r\n\r\n" % (len(query), 5) + query + hidden,
        head + b"content-length: +%d\r\n\r\n" % len(query) + query + hidden,
        head + b"content-length: 0x1a\r\n\r\n" + query + hidden,
        head + b"content-length : %d\r\n\r\n" % len(query) + query + hidden,
        head + sized + te + b"\r\n" + chunked + hidden,
        head + te + te.replace(b"chunked", b"identity") + b"\r\n" + chunked + hidden,
        head + b"transfer-encoding: xchunked\r\n\r\n" + chunked + hidden,
        head + b"transfer-encoding: chunked, identity\r\n\r\n" + chunked + hidden,
        head + te + b"\r\n" + b"-1\r\n" + query + hidden,
        head + te + b"\r\n" + b"ffffffffffffffff\r\n" + query + hidden,
        head + te + b"\r\n" + b"1a;" + b"x" * 20_000 + b"\r\n" + query + b"\r\n0\r\n\r\n" + hidden,
        head + te + b"\r\n" + b"1a\n" + query + b"\n0\n\n" + hidden,
        b"POST /graphql HTTP/1.1\r\nhost: x\r\n folded: yes\r\n" + sized + b"\r\n" + query + hidden,
        b"GET /healthz HTTP/1.1\r\nhost: a\r\nx: y\rz\r\n\r\n" + hidden,
    ]
    odd = [
        b"GET http://elsewhere.example/healthz HTTP/1.1\r\nhost: elsewhere.example\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nhost: \xff\xfe\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nhost: x\r\n" + b"a: b\r\n" * 5_000 + b"\r\n",
        b"GET /healthz HTTP/1.1\r\nhost: x\r\na: " + b"b" * 100_000 + b"\r\n\r\n",
        b"GET /" + b"a" * 60_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n",
        b"CONNECT x:443 HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET /../../etc/passwd HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET /healthz HTTP/9.9\r\nhost: x\r\n\r\n",
        b"\r\n" * 5_000,
        b"\0" * 5_000,
        hidden * 500,
        head + b"expect: 100-continue\r\n" + sized + b"\r\n",
        head + te + b"\r\n" + b"1\r\n \r\n" * 30_000 + b"0\r\n\r\n",
    ]
    numbers = itertools.count()

    async def step():
        number = next(numbers) % (len(ambiguous) + len(odd))
        is_ambiguous = number < len(ambiguous)
        reader, writer = await target.connect()
        try:
            writer.write(ambiguous[number] if is_ambiguous else odd[number - len(ambiguous)])
            counts["asked"] += 1
            received = b""
            try:
                while data := await asyncio.wait_for(reader.read(65536), 1):
                    received += data
            except asyncio.TimeoutError:
                counts["left open"] += 1
            counts["status " + received[9:12].decode("latin-1")] += 1
            # A health check has no JSON: two answers mean that `hidden` was read as a request.
            if is_ambiguous and received.count(b"HTTP/1.1 ") > 1 and b"HTTP/1.1 200 OK\r\nContent-Type: text" in received:
                counts[f"wrong: oddity {number} was read as two requests"] += 1
        finally:
            writer.transport.abort()

    await steadily(300, step)
