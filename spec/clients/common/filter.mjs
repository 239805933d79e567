// A network's filter between a client and the server, which can be changed while it runs:
//   websocket: "pass", "refuse", or "swallow": it opens, and carries no message
//   stream:    "pass", or "buffer": a response is passed on when it has ended
import { once } from "node:events";
import { createServer, request } from "node:http";
import { connect } from "node:net";

export async function openFilter(url, rules = {}) {
  const { hostname, port } = new URL(url);
  const filter = { websocket: "pass", stream: "pass", ...rules };
  const sockets = new Set();

  const server = createServer((asked, answer) => {
    const { method, url: path, headers } = asked;
    const passed = request({ hostname, port, method, path, headers }, (found) => {
      if (filter.stream === "pass") {
        answer.writeHead(found.statusCode, found.headers);
        return found.pipe(answer);
      }
      const chunks = [];
      found.on("data", (chunk) => chunks.push(chunk));
      found.on("end", () => answer.writeHead(found.statusCode, found.headers).end(Buffer.concat(chunks)));
    });
    const end = () => answer.destroy();
    passed.on("error", end).on("response", (found) => found.on("aborted", end));
    answer.on("close", () => passed.destroy());
    asked.pipe(passed);
  });
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket)).on("error", () => {});
  });
  server.on("upgrade", ({ method, url: path, rawHeaders }, near, head) => {
    if (filter.websocket === "refuse") return near.end("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n");
    const far = connect(Number(port), hostname);
    for (const [one, other] of [[near, far], [far, near]]) one.on("error", () => {}).on("close", () => other.destroy());
    const lines = rawHeaders.map((text, n) => (n % 2 === 0 ? `${text}: ` : `${text}\r\n`)).join("");
    far.write(`${method} ${path} HTTP/1.1\r\n${lines}\r\n`);
    far.write(head);
    if (filter.websocket === "pass") return near.pipe(far).pipe(near);
    near.resume();
    far.once("data", (answer) => near.write(answer.subarray(0, answer.indexOf("\r\n\r\n") + 4)));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");

  return Object.assign(filter, {
    url: `http://127.0.0.1:${server.address().port}/`,
    /** Breaks every connection. */
    cut() {
      for (const socket of sockets) socket.destroy();
    },
    close() {
      server.close();
      this.cut();
    },
  });
}
