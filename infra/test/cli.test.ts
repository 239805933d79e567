import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { bare, inScratch, infra, shell } from './support';

const without = { APPSYNC_CUSTOM_DOMAIN: 'false' };
const placeholder = { ...without, MESH_LAMBDA_FOLDER: 'placeholder' };

/** `cdk synth` as a user types it, with more arguments; without a network if that can be had. */
function synth(folder: string, env: Record<string, string>, more = '') {
  const alone = shell('unshare -rn true', infra, bare()).code === 0;
  const command = `npx cdk synth --quiet --output ${folder}/out ${more}`;
  return { ...shell(alone ? `unshare -rn ${command}` : command, infra, bare(env)), alone };
}

const template = (folder: string, stack: string) =>
  JSON.parse(readFileSync(join(folder, `out/${stack}.template.json`), 'utf8'));

test('cdk synth works without credentials and without a network', (t) =>
  inScratch((folder) => {
    const { code, all, alone } = synth(folder, { ...placeholder, MESH_ENV_FILE: '../.env.production' });
    if (!alone) t.diagnostic('this machine cannot take the network away: it was there');
    assert.equal(code, 0, all);
    const made = template(folder, 'MeshV2Stack');
    assert.equal(made.Outputs.TableName.Description, 'The table');
    // Without a program it can be looked at and not deployed.
    assert.match(JSON.stringify(made.Rules.TheProgramIsNotBuilt), /MESH_LAMBDA_FOLDER=placeholder/);
  }));

test('a command line that disagrees with the settings file is reported with what wins', () =>
  inScratch((folder) => {
    const { code, err } = synth(folder, { ...placeholder, MESH_ENV_FILE: '../.env.stg2' }, '-c stage=prod');
    assert.equal(code, 0, err);
    assert.match(err, /mesh-v2: \.env\.stg2 says STAGE=stg2 and wins: -c stage=prod is not followed/);
    assert.equal(template(folder, 'MeshV2Stack-stg2').Description, 'Mesh v2, environment stg2');
  }));

test('an unknown environment is refused in one sentence', () =>
  inScratch((folder) => {
    const { code, err } = synth(folder, { ...placeholder, MESH_ENV_FILE: '/dev/null' }, '-c stage=prd');
    assert.notEqual(code, 0);
    assert.match(err, /mesh-v2: the environments are stg, stg2, prod: -c stage= says "prd"/);
    assert.doesNotMatch(err, /\n\s+at /);
  }));

test('a program that is not built, or built for another processor, is refused with the command to build it', () =>
  inScratch((folder) => {
    const env = { ...without, MESH_LAMBDA_FOLDER: folder, MESH_ENV_FILE: '/dev/null' };
    const build = /cargo lambda build --profile dist --arm64 --no-default-features --features lambda --bin mesh-v2-lambda/;
    const missing = synth(folder, env);
    assert.notEqual(missing.code, 0);
    assert.match(missing.err, /there is no program for the function: .*bootstrap is missing/);
    assert.match(missing.err, build);

    mkdirSync(join(folder, 'intel'));
    const head = Buffer.alloc(64);
    head.write('\x7fELF', 'latin1');
    head.writeUInt16LE(0x3e, 18);
    writeFileSync(join(folder, 'intel/bootstrap'), head);
    const other = synth(folder, { ...env, MESH_LAMBDA_FOLDER: join(folder, 'intel') });
    assert.notEqual(other.code, 0);
    assert.match(other.err, /is no program for 64-bit ARM/);
    assert.match(other.err, build);
  }));

test('a custom domain brings its certificate, in the region where AppSync looks for it', () =>
  inScratch((folder) => {
    const env = {
      MESH_LAMBDA_FOLDER: 'placeholder',
      MESH_ENV_FILE: '../.env.production',
      AWS_ACCOUNT_ID: '123456789012',
      ROUTE53_PARENT_ZONE_ID: 'Z0123456789',
    };
    const { code, all } = synth(folder, env);
    assert.equal(code, 0, all);
    const made = template(folder, 'MeshV2CertificateStack').Resources;
    const [certificate] = Object.values<any>(made).filter(({ Type }) => Type === 'AWS::CertificateManager::Certificate');
    assert.equal(certificate.Properties.DomainName, 'graphql.api.smalruby.app');
    const { stacks } = { stacks: JSON.parse(readFileSync(join(folder, 'out/manifest.json'), 'utf8')).artifacts };
    assert.equal(stacks.MeshV2CertificateStack.environment, 'aws://123456789012/us-east-1');
    assert.equal(stacks.MeshV2Stack.environment, 'aws://123456789012/ap-northeast-1');
  }));
