// A plain TCP relay between a client and the server, whose connections can be cut while the
// server stays up.
import { once } from "node:events";
import { connect, createServer } from "node:net";

/** Opens a relay to the server of `url`. Its own `url` has the relay's address. */
export async function openRelay(url) {
  const target = new URL(url);
  const host = target.hostname.replace(/^\[|\]$/g, "");
  const port = Number(target.port || (target.protocol === "https:" ? 443 : 80));
  const open = new Set();
  let accepted = 0;

  const listener = createServer((near) => {
    accepted += 1;
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
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");

  const here = new URL(url);
  here.hostname = "127.0.0.1";
  here.port = String(listener.address().port);

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
    accepted: () => accepted,
    close: async () => {
      listener.close();
      cut();
      await once(listener, "close");
    },
  };
}

/** Whether a relay is possible: a certificate is valid for the server's own name only. */
export function canRelay(url) {
  const { protocol, hostname } = new URL(url);
  return protocol === "http:" || hostname === "127.0.0.1" || hostname === "localhost";
}
