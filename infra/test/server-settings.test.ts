import assert from 'node:assert/strict';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { App } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';

import { serverSettings } from '../lib/server/settings';
import { addServer } from '../lib/server/stack';
import { DOMAIN, container, serverTemplate } from './server';
import { type Json, bare, inScratch, infra, only, root, shell } from './support';

function refused(more: Record<string, string>): string {
  try {
    serverSettings({ ...DOMAIN, ...more }, infra);
  } catch (error) {
    return (error as Error).message;
  }
  return assert.fail('was not refused');
}

test('bad settings are refused with their name and what to do', () => {
  assert.match(refused({ SERVER_DOMAIN: '' }), /SERVER_DOMAIN is the name that clients call/);
  assert.match(refused({ SERVER_DOMAIN: 'https://mesh.school.example' }), /SERVER_DOMAIN/);
  assert.match(refused({ SERVER_DOMAIN: 'mesh.other.example' }), /ROUTE53_PARENT_ZONE_NAME is the Route 53 zone that mesh\.other\.example is in/);
  assert.match(refused({ ROUTE53_PARENT_ZONE_ID: '' }), /needs AWS credentials: log in, or set its id/);
  assert.match(refused({ SERVER_CERTIFICATE_ARN: 'arn:aws:acm:us-east-1:123456789012:certificate/x' }), /in ap-northeast-1/);
  assert.match(refused({ SERVER_CPU: '300' }), /SERVER_CPU is one of 256, 512, 1024/);
  assert.match(refused({ SERVER_MEMORY: '300' }), /SERVER_MEMORY is one of 512, 1024, 2048/);
  assert.match(refused({ MESH_EVENT_TTL_SECONDS: 'ten' }), /MESH_EVENT_TTL_SECONDS must be a whole number/);
});

test('a drain or a patience that the load balancer would cut is refused', async () => {
  const with_ = (line: string) =>
    inScratch((folder) => {
      writeFileSync(join(folder, '.env'), `${line}\n`);
      return serverSettings(DOMAIN, folder);
    });
  await assert.rejects(with_('MESH_DRAIN_SECONDS=111'), /MESH_DRAIN_SECONDS is at most 110/);
  await assert.rejects(with_('MESH_DRAIN_SECONDS=x'), /MESH_DRAIN_SECONDS/);
  await assert.rejects(with_('MESH_IDLE_SECONDS=60'), /MESH_IDLE_SECONDS must be more than 60/);
});

test('a deploy from another shell changes neither name nor secrets', () => {
  const rules = (more: Record<string, string>) => {
    const { Parameters, Rules } = serverTemplate('prod', more).toJSON();
    const kept = Object.entries<Json>(Parameters).filter(([name]) => name.startsWith('Kept'));
    assert.equal(Object.keys(Rules).filter((name) => name.endsWith('IsKept')).length, kept.length);
    assert.match(JSON.stringify(Rules.DomainIsKept), /npx cdk deploy --all -c on=server --parameters MeshV2ServerStack:KeptDomain=mesh/);
    return kept.map(([name, { Default }]) => [name.slice(4), Default]);
  };
  const name = ['Domain', 'mesh.school.example'];
  assert.deepEqual(rules({}), [name, ['DomainKey', 'own'], ['ApiKeys', 'own'], ['NamedKeys', 'none'], ['Policy', 'open']]);
  const there = { MESH_POLICY: 'own', MESH_SECRET_NAME: 'a', SERVER_API_KEYS_SECRET: 'b', SERVER_NAMED_KEYS_SECRET: 'c' };
  assert.deepEqual(rules(there), [name, ['DomainKey', 'a'], ['ApiKeys', 'b'], ['NamedKeys', 'c'], ['Policy', 'own']]);
});

test('a name whose zone is elsewhere needs a certificate only', () => {
  const elsewhere = { ROUTE53_PARENT_ZONE_NAME: '', ROUTE53_PARENT_ZONE_ID: '' };
  assert.match(refused(elsewhere), /set SERVER_CERTIFICATE_ARN and make the record of the name yourself/);
  const arn = 'arn:aws:acm:ap-northeast-1:123456789012:certificate/x';
  const template = serverTemplate('stg', { ...elsewhere, SERVER_CERTIFICATE_ARN: arn });
  template.resourceCountIs('AWS::Route53::RecordSet', 0);
  template.resourceCountIs('AWS::CertificateManager::Certificate', 0);
  template.hasResourceProperties('AWS::ElasticLoadBalancingV2::Listener', { Certificates: [{ CertificateArn: arn }] });
});

test('the name leads to the load balancer, with a certificate of its own', () => {
  const template = serverTemplate('prod');
  assert.equal(only(template, 'AWS::Route53::RecordSet').Properties.Name, 'mesh.school.example.');
  assert.equal(only(template, 'AWS::CertificateManager::Certificate').Properties.DomainName, 'mesh.school.example');
  assert.equal(template.toJSON().Outputs.ServerEndpoint.Value, 'https://mesh.school.example/graphql');
});

test("the file's other settings go to the program; secrets and what the stack decides do not", async () => {
  const domain = Object.entries(DOMAIN).map(([name, value]) => `${name}=${value}\n`).join('');
  const file = domain + 'MESH_POLICY=own\nMESH_CLOUD_OPEN=true\nMESH_ALLOWED_ORIGINS=https://a.example\nMESH_DRAIN_SECONDS=5\n' +
    'MESH_API_KEYS=da2-x\nMESH_NAMED_KEYS=s3cret\nMESH_LISTEN=:1\nMESH_TRUSTED_PROXIES=0.0.0.0/0\nMESH_SECRET_NAME=school/mesh\n' +
    'MESH_METRICS_LISTEN=0.0.0.0:9464\nMESH_LAMBDA_METRICS_SECONDS=5\n';
  const found = await inScratch((folder) => {
    writeFileSync(join(folder, '.env'), file);
    return serverSettings({}, folder);
  });
  assert.deepEqual(found.program, {
    MESH_POLICY: 'own',
    MESH_CLOUD_OPEN: 'true',
    // The server's own pages call from its name.
    MESH_ALLOWED_ORIGINS: 'https://a.example,https://mesh.school.example',
    MESH_DRAIN_SECONDS: '5',
  });
  assert.equal(found.notes.length, 5);
  assert.doesNotMatch(found.notes.join(), /s3cret|da2-x/);
  const app = new App({ analyticsReporting: false });
  const template = Template.fromStack(addServer(app, { ...found, image: 'x' }, root));
  assert.equal(container(template).StopTimeout, 15);
  assert.match(JSON.stringify(container(template).Secrets[0].ValueFrom), /school\/mesh/);
});

test("secrets that are there are taken, teachers' keys among them", () => {
  const names = { MESH_SECRET_NAME: 'a/secret', SERVER_API_KEYS_SECRET: 'a/keys', SERVER_NAMED_KEYS_SECRET: 'a/teachers' };
  const template = serverTemplate('prod', names);
  template.resourceCountIs('AWS::SecretsManager::Secret', 0);
  const secrets = container(template).Secrets as Json[];
  assert.deepEqual(secrets.map(({ Name }) => Name), ['MESH_SECRET_KEY', 'MESH_API_KEYS', 'MESH_NAMED_KEYS']);
  secrets.forEach(({ ValueFrom }, at) => assert.match(JSON.stringify(ValueFrom), new RegExp(Object.values(names)[at]!)));
  assert.equal(template.toJSON().Outputs.ServerApiKeys.Value, 'a/keys');
});

test('alarms of the server are mailed to who asks for it', () => {
  const template = serverTemplate('stg', { ALARM_EMAIL: 'ops@example.org' });
  template.hasResourceProperties('AWS::SNS::Subscription', { Protocol: 'email', Endpoint: 'ops@example.org' });
  for (const { Properties } of Object.values(template.findResources('AWS::CloudWatch::Alarm'))) {
    assert.equal(Properties.AlarmActions.length, 1);
  }
});

test('cdk synth makes the stack without credentials, and an image of the program alone', () =>
  inScratch((folder) => {
    const env = bare({ MESH_ENV_FILE: '../.env.production', ...DOMAIN, AWS_ACCOUNT_ID: '123456789012' });
    const { code, all } = shell(`npx cdk synth --quiet --output ${folder} -c on=server`, infra, env);
    assert.equal(code, 0, all);
    const made = JSON.parse(readFileSync(join(folder, 'MeshV2ServerStack.template.json'), 'utf8'));
    const [task] = Object.values<Json>(made.Resources).filter(({ Type }) => Type === 'AWS::ECS::TaskDefinition');
    assert.match(JSON.stringify(task!.Properties.ContainerDefinitions[0].Image), /container-assets/);
    const { artifacts } = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8'));
    assert.equal(artifacts.MeshV2ServerStack.properties.terminationProtection, true);

    const assets = JSON.parse(readFileSync(join(folder, 'MeshV2ServerStack.assets.json'), 'utf8'));
    const [{ source }] = Object.values<Json>(assets.dockerImages) as [Json];
    assert.deepEqual([source.dockerFile, source.platform], ['deploy/Dockerfile', 'linux/arm64']);
    const files = readdirSync(join(folder, source.directory)).sort();
    assert.deepEqual(files, ['.cargo', '.dockerignore', 'Cargo.lock', 'Cargo.toml', 'crates', 'deploy', 'schema', 'src']);
    // Cargo finds all that the manifest needs in there.
    const metadata = 'cargo metadata --offline --locked --no-deps --format-version 1 >/dev/null';
    const found = shell(metadata, join(folder, source.directory), { ...bare(), ...rustup() });
    assert.equal(found.code, 0, found.all);
  }));

/** Where rustup keeps its toolchains, if it is not where it usually does. */
function rustup(): Record<string, string> {
  const names = ['RUSTUP_HOME', 'CARGO_HOME'].filter((name) => process.env[name]);
  return Object.fromEntries(names.map((name) => [name, process.env[name]!]));
}

test('what -c on= does not know is refused', () => {
  const env = bare({ MESH_ENV_FILE: '/dev/null', CDK_CONTEXT_JSON: '{"on":"ec2"}' });
  const { code, err } = shell('node --import tsx bin/mesh-v2.ts', infra, env);
  assert.notEqual(code, 0);
  assert.match(err, /mesh-v2: -c on= is appsync or server, not "ec2"/);
});
