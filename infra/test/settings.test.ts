import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { PROGRAM_SETTINGS, settings } from '../lib/settings';
import { BadSetting } from '../lib/sources';
import { inScratch, infra, meshV2, settingsOf } from './support';

const without = { APPSYNC_CUSTOM_DOMAIN: 'false' };

/** Settings in a project whose `.env` says this. */
function withFile(file: string, environment: Record<string, string> = {}, asked?: string) {
  return inScratch((root) => {
    writeFileSync(join(root, '.env'), file);
    return settings({ ...without, ...environment }, root, asked);
  });
}

function refused(environment: Record<string, string>, asked?: string): string {
  try {
    settings({ ...without, ...environment }, infra, asked);
  } catch (error) {
    assert.ok(error instanceof BadSetting, String(error));
    return error.message;
  }
  return assert.fail('was not refused');
}

test('the .env file decides the stage, and says so when the command line disagrees', async () => {
  const quiet = await withFile('STAGE=stg2\n');
  assert.deepEqual([quiet.stage, quiet.notes], ['stg2', []]);

  const { stage, notes } = await withFile('STAGE=stg2\n', { STAGE: 'stg' }, 'prod');
  assert.equal(stage, 'stg2');
  assert.equal(notes.length, 2);
  assert.match(notes[0]!, /^\.env says STAGE=stg2 and wins: -c stage=prod is not followed/);
  assert.match(notes[0]!, /ln -sf \.env\.production \.env/);
  assert.match(notes[1]!, /STAGE=stg in the environment is not followed/);

  const agreeing = await withFile('STAGE=production\n', { STAGE: 'prod' }, 'prod');
  assert.deepEqual([agreeing.stage, agreeing.notes], ['prod', []]);
});

test('without a .env file the command line decides, then the environment, then it is stg', () => {
  assert.equal(settings({ ...without, STAGE: 'stg2' }, infra, 'prod').stage, 'prod');
  assert.equal(settings({ ...without, STAGE: 'stg2' }, infra).stage, 'stg2');
  assert.equal(settings(without, infra).stage, 'stg');
});

test('an unknown stage is refused, whoever names it', async () => {
  assert.match(refused({}, 'prd'), /the stages are stg, stg2, prod: -c stage= says "prd"/);
  assert.match(refused({ STAGE: 'test' }), /STAGE says "test"/);
  await assert.rejects(withFile('STAGE=Prod\n'), /\.env says "Prod"/);
});

test("the file's times go to the program, and win over the environment aloud", async () => {
  const { program, notes } = await withFile('STAGE=stg\nMESH_EVENT_TTL_SECONDS=12\nMESH_LOG=warn\n', {
    MESH_EVENT_TTL_SECONDS: '20',
    MESH_POLLING_INTERVAL_SECONDS: '3',
  });
  assert.deepEqual(program, {
    MESH_EVENT_TTL_SECONDS: '12',
    MESH_POLLING_INTERVAL_SECONDS: '3',
    MESH_LOG: 'warn',
  });
  assert.match(notes.join(), /MESH_EVENT_TTL_SECONDS=12 and wins: MESH_EVENT_TTL_SECONDS=20 in the environment/);
});

test('secrets and what only a server uses stay out, and that is said', async () => {
  const { program, notes } = await withFile('MESH_SECRET_KEY=s3cret\nMESH_API_KEYS=da2-x\nMESH_LISTEN=0.0.0.0:1\n');
  assert.deepEqual(program, {});
  assert.equal(notes.length, 3);
  assert.doesNotMatch(notes.join(), /s3cret|da2-x/);
});

test('every setting for the program is one that the program knows', () => {
  const help = spawnSync(meshV2(), ['serve', '--help'], { encoding: 'utf8' }).stdout;
  for (const name of PROGRAM_SETTINGS) {
    assert.match(help, new RegExp(`\\[env: ${name}=`), name);
  }
});

test('bad values are refused with their name', () => {
  for (const [name, value] of [
    ['MESH_EVENT_TTL_SECONDS', 'ten'],
    ['APPSYNC_IAM', 'yes'],
    ['APPSYNC_USER_POOL_ID', 'my pool'],
    ['ALARM_EMAIL', 'nobody'],
    ['AWS_REGION', 'tokyo'],
    ['AWS_ACCOUNT_ID', '12'],
    ['MESH_ENV_FILE', '/nowhere/.env'],
  ] as const) {
    assert.match(refused({ [name]: value }), name === 'AWS_ACCOUNT_ID' ? /AWS account/ : new RegExp(name));
  }
});

test('the custom domain is named after the stage, and can be another or none', () => {
  const zone = { ROUTE53_PARENT_ZONE_ID: 'Z0', APPSYNC_CUSTOM_DOMAIN: '' };
  assert.equal(settingsOf('prod', zone).domain?.name, 'graphql.api.smalruby.app');
  assert.equal(settingsOf('stg', zone).domain?.name, 'stg.graphql.api.smalruby.app');
  assert.equal(settingsOf('stg').domain, undefined);
  const other = { APPSYNC_CUSTOM_DOMAIN: 'mesh.example.org', ROUTE53_PARENT_ZONE_NAME: 'example.org' };
  assert.equal(settingsOf('prod', { ...zone, ...other }).domain?.name, 'mesh.example.org');
});

test('a custom domain that cannot be made is refused with what to do', () => {
  const usual = { APPSYNC_CUSTOM_DOMAIN: '' };
  assert.match(refused(usual), /ROUTE53_PARENT_ZONE_ID; APPSYNC_CUSTOM_DOMAIN=false does without/);
  assert.match(refused({ APPSYNC_CUSTOM_DOMAIN: 'mesh.example.org' }), /not in the zone api\.smalruby\.app/);
  const elsewhere = 'arn:aws:acm:ap-northeast-1:123456789012:certificate/x';
  assert.match(refused({ ...usual, APPSYNC_CERTIFICATE_ARN: elsewhere }), /us-east-1/);
});
