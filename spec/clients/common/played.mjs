// A client in a process of its own: one in another language, or one that must know from its
// start which certificate to trust. Orders and answers are lines of JSON on its stdin and stdout:
//   {id, order: "send" | "listen", query, variables}   {id, order: "end"} ends what `id` listens to
//   {id, data} or {id, error: {message, errors?}}      {id, message}
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

/** Starts the program and waits until it prints `{"ready": true}`. */
export async function play(command, args, env = {}) {
  const inherited = { ...process.env };
  delete inherited.NODE_TEST_CONTEXT;
  const player = spawn(command, args, { env: { ...inherited, ...env }, stdio: ["pipe", "pipe", "inherit"] });
  const ended = new Promise((resolve) => player.once("exit", resolve).once("error", resolve));
  player.stdin.on("error", () => {}); // the end is awaited
  const waiting = new Map(); // what to do with the answers to an order
  let orders = 0;
  let isOver = false;

  const lines = createInterface({ input: player.stdout });
  const ready = once(lines, "line");
  lines.on("line", (line) => {
    // Libraries print, too.
    if (!line.startsWith('{"id"')) return;
    const answer = JSON.parse(line);
    waiting.get(answer.id)?.(answer);
  });
  ended.then(() => {
    isOver = true;
    for (const handle of waiting.values()) handle({ error: { message: `${command} ended` } });
  });
  await Promise.race([
    ready,
    ended.then((how) => {
      throw new Error(`${command} ${args.join(" ")} did not begin: ${how?.message ?? `exit code ${how}`}`);
    }),
  ]);

  const say = (order) => player.stdin.write(`${JSON.stringify(order)}\n`);
  const give = (order, handle) => {
    orders += 1;
    waiting.set(orders, handle);
    say({ id: orders, ...order });
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
      const id = give({ order: "listen", query, variables }, ({ message, error }) =>
        error ? inbox.fail(error) : inbox.receive(message),
      );
      return () => {
        waiting.delete(id);
        say({ id, order: "end" });
      };
    },
    async close() {
      waiting.clear();
      if (isOver) return;
      player.stdin.end();
      const hard = setTimeout(() => player.kill("SIGKILL"), 5_000);
      await ended;
      clearTimeout(hard);
    },
  };
}
