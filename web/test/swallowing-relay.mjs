// A relay that lets a WebSocket open and carries none of its messages, as some filters do.
import { once } from "node:events";
import { connect, createServer } from "node:net";

/** Starts it before the server of `url`; answers its own URL. */
export async function startRelay(url) {
  const { hostname, port } = new URL(url);
  const sockets = new Set();
  const relay = createServer((client) => {
    const server = connect(Number(port), hostname);
    for (const socket of [client, server]) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => [client, server].forEach((it) => it.destroy()));
    }
    client.once("data", (head) => {
      server.write(head);
      if (!/\r\nupgrade: websocket/i.test(head)) {
        client.pipe(server);
        server.pipe(client);
        return;
      }
      client.resume();
      server.once("data", (answer) => client.write(answer.subarray(0, answer.indexOf("\r\n\r\n") + 4)));
    });
  });
  relay.listen(0, "127.0.0.1");
  await once(relay, "listening");
  return {
    url: `http://127.0.0.1:${relay.address().port}/`,
    stop() {
      relay.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
