"""gql for Python, with orders from common/played.mjs: player.py TRANSPORT ENDPOINT KEY."""

import asyncio
import json
import sys

from gql import Client, GraphQLRequest
from gql.transport.aiohttp import AIOHTTPTransport
from gql.transport.aiohttp_websockets import AIOHTTPWebsocketsTransport
from gql.transport.appsync_auth import AppSyncApiKeyAuthentication
from gql.transport.appsync_websockets import AppSyncWebsocketsTransport
from gql.transport.exceptions import (
    TransportClosed,
    TransportConnectionFailed,
    TransportQueryError,
)
from gql.transport.websockets import WebsocketsTransport

kind, endpoint, key = sys.argv[1:]
socket = endpoint.replace("http", "ws", 1)


def transport():
    """As its users make them: the defaults, and the key where gql's guide puts it."""
    if kind == "websockets":
        return WebsocketsTransport(url=socket, init_payload={"x-api-key": key})
    if kind == "aiohttp_websockets":
        return AIOHTTPWebsocketsTransport(url=socket, headers={"x-api-key": key})
    auth = AppSyncApiKeyAuthentication(host=endpoint.split("/")[2], api_key=key)
    # gql takes the address of AWS's own form; with another name it is given the socket's.
    return AppSyncWebsocketsTransport(url=socket + "/realtime", auth=auth)


def send_line(answer):
    print(json.dumps(answer), flush=True)


def described(error):
    errors = getattr(error, "errors", None)
    return {"message": f"{type(error).__name__}: {error}", "errors": errors}


async def send(session, order):
    request = GraphQLRequest(order["query"], variable_values=order.get("variables"))
    try:
        send_line({"id": order["id"], "data": await session.execute(request)})
    except Exception as error:
        send_line({"id": order["id"], "error": described(error)})


async def listen(session, order):
    request = GraphQLRequest(order["query"], variable_values=order.get("variables"))
    while True:
        try:
            async for message in session.subscribe(request):
                send_line({"id": order["id"], "message": message["onMessageInGroup"]})
        except (TransportClosed, TransportConnectionFailed):
            # The session connects again by itself; its subscriptions are the app's to renew.
            await asyncio.sleep(0.1)
        except TransportQueryError as error:
            send_line({"id": order["id"], "error": described(error)})
            return


async def main():
    client = Client(transport=transport(), fetch_schema_from_transport=False)
    session = await client.connect_async(reconnecting=True)
    clients, asking = [client], session
    if kind == "appsync_websockets":
        # AppSync's sockets carry subscriptions alone.
        http = AIOHTTPTransport(url=endpoint, headers={"x-api-key": key})
        clients.append(Client(transport=http))
        asking = await clients[1].connect_async()
    stdin = asyncio.StreamReader()
    reading = asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(stdin), sys.stdin
    )
    await reading
    send_line({"ready": True})
    running = {}
    async for line in stdin:
        order = json.loads(line)
        if order["order"] == "end":
            running.pop(order["id"]).cancel()
        else:
            is_query = order["order"] == "send"
            does = send(asking, order) if is_query else listen(session, order)
            running[order["id"]] = asyncio.create_task(does)
    for task in running.values():
        task.cancel()
    for client in clients:
        await client.close_async()


try:
    asyncio.run(main())
except TransportConnectionFailed as error:
    # The test's log shows stderr.
    sys.exit(f"{error}: {error.__cause__}")
