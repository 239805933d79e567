/** cdk-nag's rules of AWS's "Solutions" set, and why those that the stack does not follow are right to be left. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { App, Aspects, type Stack } from 'aws-cdk-lib';
import { Annotations, Match } from 'aws-cdk-lib/assertions';
import { AwsSolutionsChecks } from 'cdk-nag';

import { stackOf } from './support';

/** Findings that are accepted in every environment, each with its reason. */
const ACCEPTED: Record<string, string> = {
  'Function/Secret/Resource AwsSolutions-SMG4':
    'The secret must not rotate: every school would get another domain (decision D1).',
  'Api/Resource/Resource AwsSolutions-ASC3':
    "Requests are logged; the rule wants their contents as well, which are children's values and tokens.",
  'Api/Resource/Lambda/ServiceRole/DefaultPolicy/Resource AwsSolutions-IAM5[Resource::<Function04ABE818.Arn>:*]':
    "CDK's data source lets AppSync invoke the versions of this one function.",
  'Alarms/Topic/Resource AwsSolutions-SNS3':
    "A topic with a policy of its own refuses CloudWatch's alarms unless it names them; AWS's services publish over TLS.",
};
/** Findings of the environments for tests, beside those. */
const ACCEPTED_IN_TESTS: Record<string, string> = {
  'Table/Resource AwsSolutions-DDB3': 'Nothing in an environment for tests is worth its recovery, which costs.',
  'Function/Role/DefaultPolicy/Resource AwsSolutions-IAM5[Resource::*]': "X-Ray's actions know no resources.",
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
  test(`in ${stage} cdk-nag finds what is accepted with its reason, and nothing else`, () => {
    const everything = { ALARM_EMAIL: 'ops@example.org', APPSYNC_IAM: 'true', APPSYNC_WAF_RATE: '20000' };
    const accepted = { ...ACCEPTED, ...(stage === 'prod' ? {} : ACCEPTED_IN_TESTS) };
    assert.deepEqual(findings(stackOf(stage, everything)).sort(), Object.keys(accepted).sort());
    for (const reason of Object.values(accepted)) assert.match(reason, /\.$/);
  });
}
