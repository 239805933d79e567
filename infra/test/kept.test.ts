import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';

import { bare, inScratch, infra } from './support';

/** A deployed stack that had a custom domain and a user pool. */
const STACK = `<Stacks><member>
  <StackName>MeshV2Stack-stg</StackName><StackStatus>CREATE_COMPLETE</StackStatus>
  <StackId>arn:aws:cloudformation:ap-northeast-1:123456789012:stack/MeshV2Stack-stg/1</StackId>
  <CreationTime>2026-01-01T00:00:00Z</CreationTime>
  <Parameters>
    <member><ParameterKey>KeptDomain</ParameterKey><ParameterValue>mesh.example.org</ParameterValue></member>
    <member><ParameterKey>KeptUserPool</ParameterKey><ParameterValue>ap-northeast-1_AbCdEf123</ParameterValue></member>
  </Parameters>
</member></Stacks>`;
const ANSWERS: Record<string, string> = {
  GetCallerIdentity: '<Account>123456789012</Account><Arn>arn:aws:iam::123456789012:user/a</Arn><UserId>a</UserId>',
  DescribeStacks: STACK,
  GetTemplate: '<TemplateBody>{}</TemplateBody>',
  DeleteChangeSet: '',
};

/** The change that `cdk deploy` of an app asks CloudFormation for; it gets no further. */
async function change(arguments_: string[]): Promise<URLSearchParams> {
  const changes: URLSearchParams[] = [];
  const server = createServer(async (request, response) => {
    const asked = new URLSearchParams(await text(request));
    const action = asked.get('Action') ?? '';
    if (action === 'CreateChangeSet') changes.push(asked);
    const answer = ANSWERS[action];
    response.setHeader('content-type', 'text/xml');
    response.statusCode = answer === undefined ? 400 : 200;
    response.end(
      answer === undefined
        ? '<ErrorResponse><Error><Code>ChangeSetNotFound</Code><Message>no further</Message></Error></ErrorResponse>'
        : `<${action}Response><${action}Result>${answer}</${action}Result></${action}Response>`,
    );
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const aws = { AWS_ENDPOINT_URL: `http://127.0.0.1:${port}`, AWS_REGION: 'ap-northeast-1' };
  const credentials = { AWS_ACCESS_KEY_ID: 'x', AWS_SECRET_ACCESS_KEY: 'x' };
  await inScratch(async (folder) => {
    const env = bare({ ...aws, ...credentials, APPSYNC_CUSTOM_DOMAIN: 'false', MESH_ENV_FILE: '../.env.stg', HOME: folder });
    const app = ['--app', 'node --import tsx test/apps/kept.ts', '--output', `${folder}/out`, '--require-approval', 'never'];
    const deploy = spawn('npx', ['cdk', 'deploy', ...app, ...arguments_], { cwd: infra, env, stdio: 'ignore' });
    await once(deploy, 'exit');
  });
  server.close();
  server.closeAllConnections();
  assert.equal(changes.length, 1);
  return changes[0]!;
}

/** What CloudFormation is asked to make of a parameter. */
function parameter(change: URLSearchParams, name: string): (string | null)[] | undefined {
  const key = [...change].find(([, value]) => value === name)?.[0].replace('ParameterKey', '');
  return key ? ['ParameterValue', 'UsePreviousValue'].map((part) => change.get(`${key}${part}`)) : undefined;
}

test('a deploy hands over the values that it names, and leaves the others for CloudFormation to compare', async () => {
  const asked = await change(['--parameters', 'MeshV2Stack-stg:KeptUserPool=none']);
  assert.deepEqual(parameter(asked, 'KeptUserPool'), ['none', null]);
  // The shell has no custom domain: the rule compares that with the deployed one.
  assert.deepEqual(parameter(asked, 'KeptDomain'), [null, 'true']);
  assert.match(asked.get('TemplateBody')!, /DomainIsKept/);
});
