// A buzzer quiz. Who asks: node quiz.mjs URL KEY      Who answers: node quiz.mjs URL KEY CODE NAME
import { createInterface } from "node:readline";
import { Mesh } from "mesh-v2-client";

const [url, key, code, myName] = process.argv.slice(2);
const mesh = new Mesh({ url, key });
const session = code ? await mesh.join(code, { nickname: myName }) : await mesh.host();
console.log(code ? "Press Enter to buzz." : `The code is ${session.code}. Type a question and press Enter.`);

// All receive all events in one order, so all agree on who was first.
let isOpen = false;
session.on("event", ({ name, payload }) => {
  if (name === "question") {
    isOpen = true;
    console.log(`Question: ${payload}`);
  } else if (name === "buzz" && isOpen) {
    isOpen = false;
    console.log(`${payload} was first!`);
  }
});
session.on("end", () => process.exit());

for await (const line of createInterface({ input: process.stdin })) {
  const fired = code ? session.fire("buzz", myName) : session.fire("question", line);
  await fired.catch(({ message }) => console.log(message)); // such as a pause of the lesson
}
await session.leave();
