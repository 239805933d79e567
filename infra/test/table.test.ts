import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';

import { type Json, STAGES, bare, meshV2, only, templateOf } from './support';

/** What `mesh-v2 table create` asks of DynamoDB, by operation, as it goes over the wire. */
async function askedByTheProgram(stage: string): Promise<Record<string, Json>> {
  const asked: Record<string, Json> = {};
  const listener = createServer(async (request, response) => {
    const operation = String(request.headers['x-amz-target']).split('.').pop()!;
    asked[operation] = JSON.parse(await text(request));
    response.setHeader('content-type', 'application/x-amz-json-1.0');
    response.end(JSON.stringify({ Table: { TableStatus: 'ACTIVE' } }));
  }).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo;
  const env = bare({ DYNAMODB_ENDPOINT: `http://127.0.0.1:${port}` });
  const args = ['table', 'create', '--stage', stage];
  const program = spawn(meshV2(), args, { env, stdio: ['ignore', 'ignore', 'inherit'] });
  const [code] = await once(program, 'exit');
  listener.close();
  listener.closeAllConnections();
  assert.equal(code, 0);
  return asked;
}

/** Parts whose order means nothing, in one order. */
function sorted(parts: Json[], by: string): Json[] {
  return [...parts].sort((one, other) => (one[by] < other[by] ? -1 : 1));
}

for (const stage of STAGES) {
  test(`the stack's table in ${stage} is the one that mesh-v2 table create makes`, async () => {
    const { CreateTable: asked, UpdateTimeToLive: tidied } = await askedByTheProgram(stage);
    const made = only(templateOf(stage), 'AWS::DynamoDB::Table').Properties;
    for (const whole of ['TableName', 'BillingMode', 'KeySchema']) {
      assert.deepEqual(made[whole], asked![whole], whole);
    }
    for (const [list, by] of [
      ['AttributeDefinitions', 'AttributeName'],
      ['GlobalSecondaryIndexes', 'IndexName'],
    ] as const) {
      assert.deepEqual(sorted(made[list], by), sorted(asked![list], by), list);
    }
    assert.deepEqual(made.TimeToLiveSpecification, tidied!.TimeToLiveSpecification);
    const known = ['TableName', 'BillingMode', 'KeySchema', 'AttributeDefinitions', 'GlobalSecondaryIndexes', 'Tags'];
    assert.deepEqual(Object.keys(asked!).filter((key) => !known.includes(key)), []);
  });
}
