// The road between a client and the server: a plain TCP relay whose
// connections can be cut, while the server stays up.
import { once } from "node:events";
import { connect, createServer } from "node:net";

/** Lays a road to the server of `url`. Its own `url` leads there through it. */
export async function layRoad(url) {
  const target = new URL(url);
  const host = target.hostname.replace(/^\[|\]$/g, "");
  const port = Number(target.port || (target.protocol === "https:" ? 443 : 80));
  const open = new Set();
  let travelled = 0;

  const relay = createServer((near) => {
    travelled += 1;
    const far = connect({ host, port });
    open.add(near);
    const end = () => {
      open.delete(near);
      near.destroy();
      far.destroy();
    };
    for (const side of [near, far]) side.setNoDelay(true).on("error", end).on("close", end);
    near.pipe(far).pipe(near);
  });
  relay.listen(0, "127.0.0.1");
  await once(relay, "listening");

  const here = new URL(url);
  here.hostname = "127.0.0.1";
  here.port = String(relay.address().port);

  /** Cuts every connection, without a close frame. Returns how many there were. */
  const cut = () => {
    const now = [...open];
    for (const near of now) near.resetAndDestroy();
    return now.length;
  };

  return {
    url: here.href,
    cut,
    /** How many connections were made so far. */
    travelled: () => travelled,
    close: async () => {
      relay.close();
      cut();
      await once(relay, "close");
    },
  };
}

/** Whether a road can be laid: a certificate holds for the server's own name only. */
export function canLayRoad(url) {
  const { protocol, hostname } = new URL(url);
  return protocol === "http:" || hostname === "127.0.0.1" || hostname === "localhost";
}
