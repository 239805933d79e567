// Scripted members of a class: they join a lesson by its code, as a project's client would.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";

const GROUP = `query ($code: String!) { groupByJoinCode(code: $code) { id domain } }`;
const NODE = `groupId: $groupId, domain: $domain, nodeId: $nodeId`;
const IN_GROUP = `$groupId: ID!, $domain: String!, $nodeId: ID!`;
const JOIN = `mutation (${IN_GROUP}, $nickname: String) { joinGroup(${NODE}, nickname: $nickname, useWebSocket: true) { id } }`;
const REPORT = `mutation (${IN_GROUP}, $data: [SensorDataInput!]!) {
  reportDataByNode(${NODE}, data: $data) { groupId domain nodeStatus { nodeId groupId domain data { key value } timestamp } }
}`;
const FIRE = `mutation (${IN_GROUP}, $events: [EventInput!]!) {
  fireEventsByNode(${NODE}, events: $events) {
    groupId domain batchEvent { firedByNodeId groupId domain timestamp events { name firedByNodeId groupId domain payload timestamp } }
  }
}`;

export class Member {
  constructor(url, apiKey, code, nickname) {
    Object.assign(this, { url, apiKey, code, nickname, nodeId: randomBytes(8).toString("hex") });
  }

  /** The answer's data, or the type of its error. */
  async asks(query, variables) {
    const answer = await fetch(new URL("graphql", this.url), {
      method: "POST",
      headers: { "content-type": "application/json", "x-api-key": this.apiKey, "x-mesh-join-code": this.code },
      body: JSON.stringify({ query, variables: { ...this.group, nodeId: this.nodeId, ...variables } }),
    });
    const { data, errors } = await answer.json();
    return errors ? errors[0].errorType : data;
  }

  async joins() {
    const { groupByJoinCode } = await this.asks(GROUP, { code: this.code });
    assert.ok(groupByJoinCode, `no group for ${this.code}`);
    this.group = { groupId: groupByJoinCode.id, domain: groupByJoinCode.domain };
    return this.asks(JOIN, { nickname: this.nickname });
  }

  reports = (key, value) => this.asks(REPORT, { data: [{ key, value: String(value) }] });
  fires = (eventName, payload = "") =>
    this.asks(FIRE, { events: [{ eventName, payload, firedAt: new Date().toISOString() }] });
}

/** A class of scripted members, who join at once. */
export async function joinAll(url, apiKey, code, count) {
  const members = Array.from({ length: count }, (_, n) => new Member(url, apiKey, code, `pupil ${n + 1}`));
  const began = Date.now();
  const answers = await Promise.all(members.map((member) => member.joins()));
  const refused = answers.filter((answer) => typeof answer === "string");
  assert.deepEqual(refused, [], "refused to join");
  const took = Date.now() - began;
  assert.ok(took < 10_000, `${count} members joined in ${took} ms`);
  return members;
}
