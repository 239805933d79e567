import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';

import { buildSchema, parse, validate } from 'graphql';

import { BUILD } from '../lib/program';
import { commands, fences, kindOf } from './commands';
import { recording } from './recorder';
import { type Json, bare, inScratch, infra, meshV2, root, serving, shell } from './support';

const guide = readFileSync(join(root, 'docs/deployment.md'), 'utf8');
const japanese = readFileSync(join(root, 'docs/deployment.ja.md'), 'utf8');
const all = fences(guide)
  .filter(({ language }) => language === 'sh')
  .flatMap(({ text }) => commands(text));
const documents = fences(guide)
  .filter(({ language }) => language === 'graphql')
  .map(({ text }) => text);
const aws = process.env.AWS_CLI ?? join(root, 'target/aws-tools/bin/aws');

test('every command of the guide is known: it runs here, or why it does not is said', () => {
  assert.ok(all.length > 40, `${all.length} commands`);
  for (const command of all) kindOf(command);
  assert.ok(all.includes(BUILD), 'the guide and the app agree on how to build');
});

test('the Japanese guide has the same parts, commands and tables', () => {
  const parts = (markdown: string) => [...markdown.matchAll(/^(#+) /gm)].map(([, level]) => level);
  assert.deepEqual(parts(japanese), parts(guide));
  assert.deepEqual(fences(japanese), fences(guide));
  const rows = (markdown: string) => [...markdown.matchAll(/^\|(.*)\|$/gm)].map(([, row]) => row!.split(/(?<!\\)\|/).length);
  assert.deepEqual(rows(japanese), rows(guide));
  assert.ok([guide, japanese].every((one) => one.includes('<!-- figures -->')), 'a place for the figures');
});

/** A heading's anchor, as GitHub makes it. */
const slug = (heading: string) => heading.toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-');

test('links in the guides lead somewhere', () => {
  for (const markdown of [guide, japanese]) {
    const slugs = [...markdown.matchAll(/^#+ (.*)$/gm)].map(([, heading]) => slug(heading!));
    const links = [...markdown.matchAll(/\]\(([^)]+)\)/g)].map(([, link]) => link!);
    assert.ok(links.length > 5, String(links));
    for (const link of links) {
      const leads = link.startsWith('#') ? slugs.includes(link.slice(1)) : existsSync(join(root, 'docs', link.split('#')[0]!));
      assert.ok(leads, link);
    }
  }
});

test('the five tests to paste do what the guide says', async () => {
  const contract = readFileSync(join(root, 'schema/schema.graphql'), 'utf8');
  const schema = buildSchema(`directive @aws_subscribe(mutations: [String]) on FIELD_DEFINITION\n${contract}`);
  for (const document of documents) assert.deepEqual(validate(schema, parse(document)), []);
  const [create, list, introspect, join_, listen, report] = documents as [string, string, string, string, string, string];

  await serving(async (endpoint, key) => {
    const ask = async (query: string): Promise<Json> => {
      const headers = { 'content-type': 'application/json', 'x-api-key': key };
      const answer = await fetch(endpoint, { method: 'POST', headers, body: JSON.stringify({ query }) });
      const { data, errors } = (await answer.json()) as Json;
      assert.equal(errors, undefined);
      return data;
    };
    const { id } = (await ask(create)).createGroup;
    assert.deepEqual((await ask(list)).listGroupsByDomain.map((group: Json) => group.id), [id]);
    const operations = (await ask(introspect)).__schema;
    assert.equal(operations.subscriptionType.fields[0].name, 'onMessageInGroup');
    assert.ok(operations.mutationType.fields.some(({ name }: Json) => name === 'fireEventsByNode'));
    const filled = (document: string) => document.replaceAll('GROUP_ID', id);
    assert.equal((await ask(filled(join_))).joinGroup.groupId, id);
    const received = await receives(endpoint, key, filled(listen), () => ask(filled(report)));
    assert.deepEqual(received.onMessageInGroup.nodeStatus.data, [{ key: 'temperature', value: '21' }]);
  });
});

/** The first message that a subscriber receives after its subscription. */
function receives(endpoint: string, key: string, query: string, happens: () => Promise<unknown>): Promise<Json> {
  const socket = new WebSocket(`${endpoint.replace('http', 'ws')}/realtime`, 'graphql-transport-ws');
  const say = (message: Json) => socket.send(JSON.stringify(message));
  return new Promise<Json>((resolve, reject) => {
    socket.onerror = () => reject(new Error('the socket failed'));
    socket.onopen = () => say({ type: 'connection_init', payload: { 'x-api-key': key } });
    socket.onmessage = ({ data }) => {
      const { type, payload } = JSON.parse(String(data));
      if (type === 'connection_ack') {
        say({ id: '1', type: 'subscribe', payload: { query } });
        // Answered after the subscription began: messages of one socket are taken in order.
        say({ type: 'ping' });
      } else if (type === 'pong') happens().catch(reject);
      else if (type === 'next') resolve(payload.data);
      else if (type === 'error') reject(new Error(JSON.stringify(payload)));
    };
  }).finally(() => socket.close());
}

/** A project as a user has it, with a program that only looks like one. */
function project(folder: string): void {
  for (const part of ['.env.stg', '.env.stg2', '.env.production', 'schema']) {
    cpSync(join(root, part), join(folder, part), { recursive: true });
  }
  mkdirSync(join(folder, 'infra'));
  for (const part of ['bin', 'lib', 'placeholder', 'resolvers', 'cdk.json', 'package.json', 'tsconfig.json']) {
    cpSync(join(infra, part), join(folder, 'infra', part), { recursive: true });
  }
  symlinkSync(join(infra, 'node_modules'), join(folder, 'infra/node_modules'));
  const built = join(folder, 'target/lambda/mesh-v2-lambda');
  mkdirSync(built, { recursive: true });
  const head = Buffer.alloc(64);
  head.write('\x7fELF', 'latin1');
  head.writeUInt16LE(0xb7, 18);
  writeFileSync(join(built, 'bootstrap'), head);
}

/** `aws` and `mesh-v2` on the way to the recorder. */
function tools(folder: string, url: string): string {
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  const script = (name: string, lines: string) => {
    writeFileSync(join(bin, name), `#!/bin/sh\n${lines}\n`);
    chmodSync(join(bin, name), 0o755);
  };
  // The CLI's first version does not know AWS_REGION.
  const credentials = 'AWS_ACCESS_KEY_ID=x AWS_SECRET_ACCESS_KEY=x AWS_DEFAULT_REGION="$AWS_REGION"';
  script('aws', `${credentials} AWS_ENDPOINT_URL=${url} AWS_PAGER= exec ${aws} "$@"`);
  script('mesh-v2', `DYNAMODB_ENDPOINT=${url} exec ${meshV2()} "$@"`);
  return bin;
}

test('the commands of the guide run, one after the other, as they stand', async (t) => {
  if (!existsSync(aws)) {
    t.skip(`no AWS CLI at ${aws}: check.sh installs one, or set AWS_CLI`);
    return;
  }
  const runnable = all.filter((command) => ['here', 'asks AWS'].includes(kindOf(command) as string));
  const fromAws = runnable.filter((command) => kindOf(command) === 'asks AWS');
  await inScratch(async (folder) => {
    project(folder);
    await serving(async (endpoint, key) => {
      const outputs = {
        GraphQLApiEndpoint: endpoint,
        GraphQLApiKey: key,
        GraphQLApiKeyEnd: '2027-11-22',
        GraphQLApiId: 'abcdefghijklmnopqrstuvwxyz',
        TableName: 'MeshV2Table-stg',
        TableArn: 'arn:aws:dynamodb:ap-northeast-1:123456789012:table/MeshV2Table-stg',
        CustomDomainUrl: 'https://stg.graphql.api.smalruby.app/graphql',
      };
      const said: string[] = [];
      const asked = await recording(outputs, async (url) => {
        const { PATH, ...env } = bare({ HOME: folder });
        const steps = runnable.map((command, at) => `printf "\\n@@%s\\n" ${at}\n${command}`);
        const session = spawn('bash', ['-euo', 'pipefail', '-c', steps.join('\n')], {
          cwd: folder,
          env: { ...env, PATH: `${tools(folder, url)}:${PATH}` },
          stdio: ['ignore', 'pipe', 'pipe'],
        });
        const [out, err, [code]] = await Promise.all([
          text(session.stdout),
          text(session.stderr),
          once(session, 'exit'),
        ]);
        said.push(...out.split(/\n@@\d+\n/).slice(1));
        assert.equal(code, 0, `${runnable[said.length - 1]}\n${out.slice(-500)}${err.slice(-2000)}`);
      });
      assert.equal(said.length, runnable.length);
      const answer = (begin: string) => said[runnable.findIndex((command) => command.startsWith(begin))]!;
      assert.equal(answer('echo "$ENDPOINT"'), `${endpoint}\n`);
      assert.match(answer(`ask '{"query":"mutation { createDomain }"}'`), /^\{"data":\{"createDomain":"[0-9a-f]{16}"\}\}/);
      assert.match(answer(`ask '{"query":"{ __schema`), /"name":"createGroup"/);
      assert.match(answer(`ask '{"query":"query { listGroups`), /"listGroupsByDomain":\[\]/);
      assert.match(answer('mesh-v2 table show'), /table\s+MeshV2Table-stg\n.*indexes\s+GroupIdIndex, GroupNameIndex\nttl\s+ttl/s);
      assert.ok(existsSync(join(folder, 'infra/cdk.out/MeshV2Stack-stg.template.json')));
      // Each reached the wire: the CLI knew its operation and its arguments.
      assert.ok(asked.length >= fromAws.length, `${asked.length} requests for ${fromAws.length} commands`);
    });
  });
});

test('CDK knows the commands that need AWS', () => {
  const help = shell('npx cdk --help', infra, bare()).all;
  for (const command of all.filter((one) => kindOf(one) === 'needs AWS' && one.startsWith('npx cdk'))) {
    assert.match(help, new RegExp(`cdk ${command.split(' ')[2]}\\b`), command);
  }
});
