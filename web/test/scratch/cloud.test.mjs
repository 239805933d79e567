// Cloud variables: unmodified packaged projects share them with each other and with a member, also
// after their sockets were cut and after the server was restarted.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, test } from "node:test";
import { openRelay } from "../../../spec/clients/common/relay.mjs";
import { Member } from "../class.mjs";
import { environment } from "../environment.mjs";
import { play } from "./player.mjs";
import { changeVariable, setVariable, valueOf, whenReceived } from "./project.mjs";

const CREATE = `mutation ($name: String!, $hostId: ID!, $domain: String!) {
  createGroup(name: $name, hostId: $hostId, domain: $domain, useWebSocket: true) { id domain joinCode } }`;
const VALUES = `query ($groupId: ID!, $domain: String!) {
  listGroupStatuses(groupId: $groupId, domain: $domain) { timestamp data { key value } } }`;
const SCORE = "☁ score";
const project = {
  variables: { [SCORE]: 0, "☁ turn": 0, copy: 0 },
  scripts: [
    [whenReceived("score"), changeVariable(SCORE, 1)],
    [whenReceived("turn"), changeVariable("☁ turn", 10)],
    [whenReceived("copy"), setVariable("copy", valueOf(SCORE))],
  ],
};

/** Waits until the group has this value of the key. */
async function has(member, key, value) {
  const deadline = Date.now() + 20_000;
  let newest;
  do {
    const { listGroupStatuses: statuses } = await member.asks(VALUES);
    const found = statuses.flatMap(({ timestamp, data }) => data.map((it) => ({ ...it, timestamp })));
    const ofKey = found.filter((it) => it.key === key).sort((a, b) => (a.timestamp < b.timestamp ? -1 : 1));
    newest = ofKey.at(-1)?.value;
    if (newest === value) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  } while (Date.now() < deadline);
  assert.fail(`${key} is ${newest}, not ${value}`);
}

test("packaged projects share cloud variables with each other and with a member", async () => {
  const { url, apiKey, restart } = await environment();
  const host = new Member(url, apiKey, "", "host");
  const domain = `cloud-${randomBytes(4).toString("hex")}`;
  const { createGroup } = await host.asks(CREATE, { name: "cloud", hostId: host.nodeId, domain });
  const member = new Member(url, apiKey, createGroup.joinCode, "pupil");
  await member.joins();

  const relay = await openRelay(new URL(url));
  after(() => relay.close());
  const address = (origin, path) => new URL(path, origin).href.replace(/^http/, "ws");
  // One has the code in the address, one as its project's id.
  const players = await Promise.all([
    play(project, { cloudHost: address(relay.url, `cloud/${createGroup.joinCode}`), username: "ann" }),
    play(project, { cloudHost: address(url, "cloud"), projectId: createGroup.joinCode, username: "ben" }),
  ]);
  const [ann, ben] = players;

  await member.reports("score", 5);
  for (const player of players) await player.shows(SCORE, 5);
  await ann.broadcasts("score");
  await ben.shows(SCORE, 6);
  await has(member, "score", "6");
  await ben.broadcasts("turn");
  await ann.shows("☁ turn", 10);
  await has(member, "turn", "10");

  // Cut while both change: what was set meanwhile follows.
  relay.cut();
  await ann.broadcasts("score");
  await ben.broadcasts("turn");
  await ann.shows("☁ turn", 20);
  await ben.shows(SCORE, 7);

  await restart();
  await ann.broadcasts("score");
  await ben.shows(SCORE, 8);
  await ben.broadcasts("turn");
  await ann.shows("☁ turn", 30);
  await member.reports("score", 1);
  for (const player of players) await player.shows(SCORE, 1);
  for (const player of players) await player.close();
});
