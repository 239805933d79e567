// Amplify, played by a process of its own that trusts the stage's certificate.
import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const program = fileURLToPath(new URL("player.mjs", import.meta.url));

export async function open({ apiKey, ca }, url) {
  const env = { ...process.env };
  delete env.NODE_TEST_CONTEXT;
  if (ca) env.NODE_EXTRA_CA_CERTS = ca;
  const player = fork(program, [url, apiKey], { env });
  const waiting = new Map(); // what to do with the answers to an order
  let orders = 0;

  player.on("message", (answer) => waiting.get(answer.id)?.(answer));
  player.on("exit", () => {
    for (const tell of waiting.values()) tell({ error: { message: "Amplify's process ended" } });
  });
  await once(player, "message"); // ready

  const give = (order, tell) => {
    orders += 1;
    waiting.set(orders, tell);
    player.send({ id: orders, ...order });
    return orders;
  };

  return {
    send: (query, variables) =>
      new Promise((resolve, reject) => {
        const id = give({ order: "send", query, variables }, ({ data, error }) => {
          waiting.delete(id);
          if (error) reject(error);
          else resolve(data);
        });
      }),
    refusal: (error) => error.errors?.[0],
    listen(query, variables, inbox) {
      const id = give({ order: "listen", query, variables }, ({ heard, error }) =>
        error ? inbox.fail(error) : inbox.hear(heard),
      );
      return () => {
        waiting.delete(id);
        player.send({ order: "end", id });
      };
    },
    async close() {
      waiting.clear();
      if (player.exitCode !== null || player.signalCode !== null) return;
      player.disconnect();
      await once(player, "exit");
    },
  };
}
