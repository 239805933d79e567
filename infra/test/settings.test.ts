import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { PROGRAM_SETTINGS, settings } from '../lib/settings';
import { BadSetting } from '../lib/sources';
import { envFileOf } from '../lib/stage';
import { STAGES, bare, inScratch, infra, meshV2, root, settingsOf } from './support';

const without = { APPSYNC_CUSTOM_DOMAIN: 'false' };

/** Settings in a project whose `.env` says this. */
function withFile(file: string, environment: Record<string, string> = {}, asked?: string) {
  return inScratch((root) => {
    writeFileSync(join(root, '.env'), `APPSYNC_CUSTOM_DOMAIN=false\nALARM_EMAIL=ops@example.org\n${file}`);
    return settings(environment, root, asked);
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

test('an unknown environment is refused, wherever it is named', async () => {
  assert.match(refused({}, 'prd'), /the environments are stg, stg2, prod: -c stage= says "prd"/);
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

test('a setting that only this shell has is noted, and so is an environment without a mail address', () =>
  inScratch(async (root) => {
    const { notes } = await withFile('STAGE=stg\n', { APPSYNC_IAM: 'true', MESH_SECRET_NAME: 'school/mesh', AWS_REGION: 'us-east-1' });
    assert.deepEqual(notes, [
      'the environment alone sets APPSYNC_IAM, MESH_SECRET_NAME: a deploy from another shell would be without. ' +
        'Write it into .env, unless it is for this command only.',
    ]);
    writeFileSync(join(root, '.env'), 'STAGE=prod\nAPPSYNC_CUSTOM_DOMAIN=false\n');
    assert.match(settings({}, root).notes.join(), /^without ALARM_EMAIL no mail says/);
  }));

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

/** What the program would run with, by its own `check`. */
function checked(...args: string[]): Map<string, string> {
  const own = ['--api-keys=da2-of-our-own-0123', '--secret-key=0123456789abcdef0123'];
  const ran = spawnSync(meshV2(), ['check', ...own, ...args], { encoding: 'utf8', cwd: infra, env: bare() });
  assert.equal(ran.status, 0, ran.stderr);
  return pairs(ran.stdout);
}

function pairs(text: string): Map<string, string> {
  return new Map([...text.matchAll(/^(\w+)=(.*)$/gm)].map(([, name, value]) => [name!, value!]));
}

test('the .env files say what their stages do without them, and nothing is left out', () => {
  for (const stage of STAGES) {
    const file = join(root, envFileOf(stage));
    const said = pairs(readFileSync(file, 'utf8'));
    const built = checked(`--stage=${stage}`);
    const filed = checked(`--env-file=${file}`);
    for (const [name, value] of said) {
      assert.equal(filed.get(name), value, `${file}: ${name}`);
      // A stage may say less than another in its log.
      if (name !== 'MESH_LOG') assert.equal(built.get(name), value, `${file}: ${name}`);
    }
    const missing = [...built.keys()].filter((name) => /_SECONDS$|NEXT_SINCE/.test(name) && PROGRAM_SETTINGS.includes(name as never) && !said.has(name));
    // On a server it is longer than behind AppSync.
    assert.deepEqual(missing, stage === 'prod' ? ['MESH_MAX_CONNECTION_TIME_SECONDS'] : [], file);
  }
});

/** Variables of scripts, tests and the stack that stand in the guides beside the program's. */
const OTHERS = new Set([
  ...['MESH_SECRET_NAME', 'MESH_LAMBDA_FOLDER', 'MESH_SPEC_STORE', 'MESH_BLESS'],
  ...['APPSYNC_CUSTOM_DOMAIN', 'APPSYNC_CERTIFICATE_ARN', 'APPSYNC_IAM', 'APPSYNC_USER_POOL_ID'],
  ...['APPSYNC_KEYS', 'APPSYNC_WAF_RATE'],
  ...['APPSYNC_OIDC_ISSUER', 'APPSYNC_OIDC_CLIENT_IDS', 'APPSYNC_PUSH', 'APPSYNC_REAP_MINUTES'],
  ...['MESH_APPSYNC_URL', 'MESH_APPSYNC_ATTEMPTS', 'MESH_APPSYNC_ATTEMPT_MS', 'MESH_APPSYNC_MESSAGE_MS'],
  ...['APPSYNC_ENDPOINT', 'APPSYNC_API_KEY', 'DYNAMODB_TABLE_NAME'],
]);

const DOCS = ['api', 'protocols', 'delivery', 'compatibility', 'running', 'limits'].map((name) => `docs/${name}.md`);

test('every setting and flag of the guides exists', () => {
  const help = ['serve', 'check', 'health', 'bench', 'doctor', 'costs', 'table create', 'table delete']
    .map((command) => spawnSync(meshV2(), [...command.split(' '), '--help'], { encoding: 'utf8' }).stdout)
    .join();
  const guides = ['README.md', 'CHANGELOG.md', 'benches/README.md', 'docs/deployment.md', 'docs/deployment.ja.md', 'docs/performance.md', ...DOCS];
  for (const guide of guides) {
    const text = readFileSync(join(root, guide), 'utf8');
    const names = new Set(text.match(/\b(MESH|DYNAMODB|APPSYNC)_[A-Z_]*[A-Z]\b/g));
    for (const name of names) {
      const known = OTHERS.has(name) || new RegExp(`\\[env: ${name}[=\\]]`).test(help);
      assert.ok(known, `${guide} names ${name}, which does not exist`);
    }
    // Flags beside backticks are the program's; commands of others stand in fences.
    const flags = new Set([...text.matchAll(/`(--[a-z][a-z0-9-]+)/g)].map(([, flag]) => flag!));
    // Of the feature otel, which the usual program is without.
    flags.delete('--otlp-endpoint');
    for (const cargos of ['--arm64', '--no-default-features', '--features']) flags.delete(cargos);
    for (const flag of flags) {
      assert.match(help, new RegExp(`${flag}\\b`), `${guide} names ${flag}, which does not exist`);
    }
  }
});

test('bad values are refused with their name', () => {
  for (const [name, value] of [
    ['MESH_EVENT_TTL_SECONDS', 'ten'],
    ['APPSYNC_IAM', 'yes'],
    ['APPSYNC_PUSH', 'on'],
    ['APPSYNC_REAP_MINUTES', '0'],
    ['APPSYNC_REAP_MINUTES', '1.5'],
    ['APPSYNC_USER_POOL_ID', 'my pool'],
    ['ALARM_EMAIL', 'nobody'],
    ['APPSYNC_KEYS', '1,1'],
    ['APPSYNC_KEYS', 'one'],
    ['APPSYNC_KEYS', '0'],
    ['APPSYNC_KEYS', '1,2,3,4,5,6,7,8,9,10,11'],
    ['APPSYNC_WAF_RATE', '99'],
    ['BUDGET_USD', '0'],
    ['BUDGET_USD', '10'],
    ['LAMBDA_RESERVED_CONCURRENCY', '-1'],
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

test('an OpenID Connect service needs an https issuer and the ids of its clients', () => {
  assert.match(refused({ APPSYNC_OIDC_ISSUER: 'https://sign-in.example' }), /needs APPSYNC_OIDC_CLIENT_IDS/);
  assert.match(refused({ APPSYNC_OIDC_ISSUER: 'https://sign-in.example', APPSYNC_OIDC_CLIENT_IDS: ' , ' }), /needs/);
  assert.match(refused({ APPSYNC_OIDC_ISSUER: 'http://sign-in.example', APPSYNC_OIDC_CLIENT_IDS: 'a' }), /https/);
  assert.match(refused({ APPSYNC_OIDC_CLIENT_IDS: 'a' }), /APPSYNC_OIDC_ISSUER is the issuer/);
});
