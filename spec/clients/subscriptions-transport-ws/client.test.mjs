import assert from "node:assert/strict";
import { runScenario } from "../common/scenario.mjs";
import { frames, open } from "./client.mjs";

const scenario = runScenario(open);

scenario.test("it is never sent start_ack, on which it throws", () => {
  const said = new Set(frames.map(({ type }) => type));
  assert.deepEqual([...said].sort(), ["connection_ack", "data", "ka"]);
});

scenario.test("a query goes over the socket as well, and completes", async () => {
  const { client, close } = open(scenario.server, scenario.server.url);
  const answers = await new Promise((resolve, reject) => {
    const results = [];
    client.request({ query: "{ __typename }" }).subscribe({
      next: (answer) => results.push(answer),
      error: reject,
      complete: () => resolve(results),
    });
  });
  assert.deepEqual(answers, [{ data: { __typename: "Query" } }]);
  close();
});

scenario.test("a wrong key is refused by connection_error", async () => {
  let stranger;
  const error = await new Promise((resolve) => {
    stranger = open({ apiKey: "not-a-key" }, scenario.server.url, (refused) => refused && resolve(refused));
  });
  stranger.close();
  assert.equal(error.errors[0].errorType, "UnauthorizedException");
  assert.equal(error.errors[0].errorCode, 401);
});
