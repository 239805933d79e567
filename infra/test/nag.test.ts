/** cdk-nag's rules of AWS's "Solutions" set, and why those that the stack does not follow are right to be left. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { App, Aspects, type Stack } from 'aws-cdk-lib';
import { Annotations, Match } from 'aws-cdk-lib/assertions';
import { AwsSolutionsChecks } from 'cdk-nag';

import { serverStack } from './server';
import { stackOf } from './support';

const SECRET = 'The secret must not rotate: every school would get another domain (decision D1).';
const TOPIC = "A topic with a policy of its own refuses CloudWatch's alarms unless it names them; AWS's services publish over TLS.";
const RECOVERY = 'Nothing in an environment for tests is worth its recovery, which costs.';

/** Findings of AppSync's stack that are accepted in every environment, each with its reason. */
const ACCEPTED: Record<string, string> = {
  'Function/Secret/Resource AwsSolutions-SMG4': SECRET,
  'Api/Resource/Resource AwsSolutions-ASC3':
    "Requests are logged; the rule wants their contents as well, which are children's values and tokens.",
  'Api/Resource/Lambda/ServiceRole/DefaultPolicy/Resource AwsSolutions-IAM5[Resource::<Function04ABE818.Arn>:*]':
    "CDK's data source lets AppSync invoke the versions of this one function.",
  'Alarms/Topic/Resource AwsSolutions-SNS3': TOPIC,
};
/** Findings of the environments for tests, beside those. */
const ACCEPTED_IN_TESTS: Record<string, string> = {
  'Table/Resource AwsSolutions-DDB3': RECOVERY,
  'Function/Role/DefaultPolicy/Resource AwsSolutions-IAM5[Resource::*]': "X-Ray's actions know no resources.",
};

/** The same of the server's stack. */
const ACCEPTED_ON_A_SERVER: Record<string, string> = {
  'Secret/Resource AwsSolutions-SMG4': SECRET,
  'ApiKeys/Resource AwsSolutions-SMG4': 'API keys are handed out to editors, which do not learn of another one.',
  'Network/Resource AwsSolutions-VPC7': "A flow log has addresses of schools; the balancer's metrics count connections.",
  'Balancer/Resource/Resource AwsSolutions-ELB2': 'An access log has the address of every pupil.',
  'Balancer/Resource/SecurityGroup/Resource AwsSolutions-EC23': 'Schools come from anywhere; the server asks for a key.',
  'Service/Task/Resource AwsSolutions-ECS2': "The variables are no secrets; those are ECS secrets of the task's own.",
  'Service/Cluster/Resource AwsSolutions-ECS4': "One task needs no insights beyond its service's metrics, and they cost.",
  'Alarms/Topic/Resource AwsSolutions-SNS3': TOPIC,
};

/** What the rules find: where and which. */
function findings(stack: Stack): string[] {
  Aspects.of(App.of(stack)!).add(new AwsSolutionsChecks());
  const annotations = Annotations.fromStack(stack);
  const all = [...annotations.findError('*', Match.anyValue()), ...annotations.findWarning('*', Match.anyValue())];
  return all
    .map(({ id, entry }) => `${id.replace(`/${stack.stackName}/`, '')} ${String(entry.data).split(': ')[0]}`)
    .filter((finding) => finding.includes(' AwsSolutions-'));
}

for (const stage of ['stg', 'prod'] as const) {
  const inTests = stage === 'stg';
  const accepts = (stack: Stack, accepted: Record<string, string>) => {
    assert.deepEqual(findings(stack).sort(), Object.keys(accepted).sort());
    for (const reason of Object.values(accepted)) assert.match(reason, /\.$/);
  };

  test(`in ${stage} cdk-nag finds what is accepted with its reason, and nothing else`, () => {
    const everything = { ALARM_EMAIL: 'ops@example.org', APPSYNC_IAM: 'true', APPSYNC_WAF_RATE: '20000' };
    accepts(stackOf(stage, everything), { ...ACCEPTED, ...(inTests ? ACCEPTED_IN_TESTS : {}) });
  });

  test(`in ${stage} the same holds for the server's stack`, () => {
    const recovery = { 'Table/Resource AwsSolutions-DDB3': RECOVERY };
    accepts(serverStack(stage, { ALARM_EMAIL: 'ops@example.org' }), { ...ACCEPTED_ON_A_SERVER, ...(inTests ? recovery : {}) });
  });
}
