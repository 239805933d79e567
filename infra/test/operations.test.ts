import assert from 'node:assert/strict';
import { test } from 'node:test';

import { type Json, STAGES, only, stackOf, templateOf } from './support';

const mail = { ALARM_EMAIL: 'ops@example.org' };

/** The API keys of a template by their logical id. */
function keysOf(more: Record<string, string> = {}): Record<string, Json> {
  return templateOf('prod', more).findResources('AWS::AppSync::ApiKey') as Record<string, Json>;
}

/** The logical id of the key that an output names. */
function output(more: Record<string, string>, name: string): string {
  return templateOf('prod', more).toJSON().Outputs[name].Value['Fn::GetAtt'][0];
}

test('a second key is handed out while the first stays, and then the first goes', () => {
  const [first, ...others] = Object.keys(keysOf());
  assert.deepEqual(others, []);
  const both = { APPSYNC_KEYS: '1,2' };
  const second = output(both, 'GraphQLApiKey');
  assert.deepEqual(Object.keys(keysOf(both)).sort(), [first, second].sort());
  assert.equal(output(both, 'GraphQLApiKey1'), first);
  // The same in the last step, so that CloudFormation makes no third one.
  assert.deepEqual(Object.keys(keysOf({ APPSYNC_KEYS: '2' })), [second]);
  // A change of mind makes the first one the key that is handed out again.
  assert.equal(output({ APPSYNC_KEYS: '2, 1' }, 'GraphQLApiKey'), first);
});

test('a key changes in nothing but its life when another one is handed out', () => {
  const [first, alone] = Object.entries(keysOf())[0]!;
  assert.deepEqual(keysOf({ APPSYNC_KEYS: '1,2' })[first]!.Properties, alone.Properties);
});

test('an operator is mailed a month before the keys end, each week, and moves that by a deploy', () => {
  const template = templateOf('prod', { ...mail, APPSYNC_PUSH: 'false' });
  const { StartDate, EndDate, ScheduleExpression, Target, State } = only(template, 'AWS::Scheduler::Schedule').Properties;
  const end = Date.parse(EndDate);
  assert.equal(end / 1000, only(template, 'AWS::AppSync::ApiKey').Properties.Expires);
  assert.equal(end - Date.parse(StartDate), 30 * 86_400_000);
  assert.deepEqual([ScheduleExpression, State], ['rate(7 days)', 'ENABLED']);
  const day = EndDate.slice(0, 10);
  assert.equal(template.toJSON().Outputs.GraphQLApiKeyEnd.Value, day);
  assert.match(Target.Input, new RegExp(`end on ${day}\\. Deploy before that day`));
  const [topic] = Object.keys(template.findResources('AWS::SNS::Topic'));
  assert.deepEqual(Target.Arn, { Ref: topic });
  // Its role may publish to that topic, and Scheduler alone may take it.
  const publish = Object.values(template.findResources('AWS::IAM::Policy') as Record<string, Json>)
    .flatMap(({ Properties }) => Properties.PolicyDocument.Statement as Json[])
    .filter(({ Action }) => Action === 'sns:Publish');
  assert.deepEqual(publish.map(({ Resource }) => Resource), [{ Ref: topic }]);
});

/** Whether CloudFormation's rules let a template through, for these values of its parameters. */
function refusals(template: Json, deployed: Json): string[] {
  const value = (part: any) => (part.Ref ? (deployed[part.Ref] ?? template.Parameters[part.Ref].Default) : part);
  const rules = Object.entries(template.Rules as Json).filter(([name]) => name.endsWith('IsKept'));
  return rules.flatMap(([, { Assertions }]) => {
    const [{ Assert, AssertDescription }] = Assertions;
    const [one, other] = Assert['Fn::Equals'].map(value);
    return one === other ? [] : [AssertDescription];
  });
}

/** What a deploy leaves: the values of the parameters, which the next one keeps. */
function deployed(more: Record<string, string>): Json {
  const { Parameters } = templateOf('prod', more).toJSON();
  const kept = Object.entries(Parameters as Json).filter(([name]) => name.startsWith('Kept'));
  return Object.fromEntries(kept.map(([name, { Default }]) => [name, Default]));
}

test('CloudFormation refuses to lose the domain, the secret, keys or any way in of the last deploy', () => {
  const all = {
    APPSYNC_CUSTOM_DOMAIN: 'mesh.example.org',
    ROUTE53_PARENT_ZONE_NAME: 'example.org',
    ROUTE53_PARENT_ZONE_ID: 'Z0',
    APPSYNC_CERTIFICATE_ARN: 'arn:aws:acm:us-east-1:123456789012:certificate/abc',
    MESH_SECRET_NAME: 'school/mesh',
    APPSYNC_USER_POOL_ID: 'ap-northeast-1_AbCdEf123',
    APPSYNC_OIDC_ISSUER: 'https://sign-in.example',
    APPSYNC_OIDC_CLIENT_IDS: 'mesh,other',
    APPSYNC_IAM: 'true',
    APPSYNC_KEYS: '1,2',
    MESH_POLICY: 'own',
  };
  const had = deployed(all);
  const template = (more: Record<string, string>) => templateOf('prod', more).toJSON();
  assert.deepEqual(refusals(template(all), had), []);
  for (const [lost, names] of [
    [['APPSYNC_CUSTOM_DOMAIN'], /KeptDomain=none/],
    [['MESH_SECRET_NAME'], /KeptDomainKey=own/],
    [['APPSYNC_USER_POOL_ID'], /KeptUserPool=none/],
    [['APPSYNC_IAM'], /KeptIam=false/],
    [['APPSYNC_KEYS'], /KeptKeys=1$/],
    [['MESH_POLICY'], /KeptPolicy=open/],
  ] as const) {
    const rest = Object.fromEntries(Object.entries(all).filter(([name]) => !(lost as readonly string[]).includes(name)));
    const [refusal, ...more] = refusals(template(rest), had);
    assert.deepEqual(more, []);
    assert.match(refusal!, names);
    assert.ok(refusal!.includes(lost[0]), refusal);
    // What the sentence says to do when it is meant: the deploy names the new value.
    const [, name, value] = /--parameters \S+:(\w+)=(\S+)$/.exec(refusal!)!;
    assert.deepEqual(refusals(template(rest), { ...had, [name!]: value }), []);
  }
  // Another order hands out another key; a service goes with its clients, and may have others.
  const [order, ...others] = refusals(template({ ...all, APPSYNC_KEYS: '2,1' }), had);
  assert.match(order!, /KeptKeys=2,1$/);
  const [clients, ...rest] = refusals(template({ ...all, APPSYNC_OIDC_CLIENT_IDS: 'mesh' }), had);
  assert.match(clients!, /KeptOidcClients=mesh$/);
  assert.deepEqual([others, rest], [[], []]);
  const none = refusals(template({ ...all, APPSYNC_OIDC_ISSUER: '', APPSYNC_OIDC_CLIENT_IDS: '' }), had);
  assert.deepEqual(none.map((one) => /Kept\w+=none$/.exec(one)?.[0]), ['KeptOidcIssuer=none', 'KeptOidcClients=none']);
  const first = refusals(template({}), {});
  assert.deepEqual(first, [], 'nothing is refused on the first deploy');
});

test('a stage of tests is deleted by one command, prod is not', () => {
  for (const stage of STAGES) assert.equal(stackOf(stage).terminationProtection, stage === 'prod', stage);
});

/** Whether WAF's statement holds for a request. */
function holds(statement: Json, method: string, headers: Record<string, string>): boolean {
  const [[kind, how]] = Object.entries<Json>(statement) as [[string, Json]];
  const part = (field: Json) => (field.Method ? method : headers[field.SingleHeader.Name]);
  switch (kind) {
    case 'NotStatement':
      return !holds(how.Statement, method, headers);
    case 'AndStatement':
      return how.Statements.every((one: Json) => holds(one, method, headers));
    case 'ByteMatchStatement': {
      const value = part(how.FieldToMatch) ?? '';
      return how.PositionalConstraint === 'EXACTLY' ? value === how.SearchString : value.startsWith(how.SearchString);
    }
    case 'SizeConstraintStatement':
      assert.deepEqual([how.ComparisonOperator, how.Size], ['GT', 0]);
      return (part(how.FieldToMatch) ?? '').length > 0;
    default:
      return assert.fail(kind);
  }
}

test('a rate for each address, a budget and set-apart concurrency are off, and there when asked for', () => {
  const off = templateOf('prod', mail);
  for (const type of ['AWS::WAFv2::WebACL', 'AWS::Budgets::Budget']) off.resourceCountIs(type, 0);
  assert.equal(only(off, 'AWS::Lambda::Function').Properties.ReservedConcurrentExecutions, undefined);

  const asked = { APPSYNC_WAF_RATE: '20000', BUDGET_USD: '10', LAMBDA_RESERVED_CONCURRENCY: '50' };
  const on = templateOf('prod', { ...mail, ...asked });
  const [rule] = only(on, 'AWS::WAFv2::WebACL').Properties.Rules;
  const { ScopeDownStatement, ...rate } = rule.Statement.RateBasedStatement;
  assert.deepEqual(rate, { AggregateKeyType: 'IP', EvaluationWindowSec: 300, Limit: 20000 });
  const signed = { 'authorization': 'AWS4-HMAC-SHA256 Credential=AKIA/20261122/ap-northeast-1/appsync/aws4_request' };
  for (const [method, headers, isCounted] of [
    // What the function pushes.
    ['POST', signed, false],
    ['POST', { 'x-api-key': 'da2-x' }, true],
    // A client's, with a header that AppSync might pass over.
    ['POST', { ...signed, 'x-api-key': 'da2-x' }, true],
    ['GET', signed, true],
    ['POST', { authorization: 'eyJ AWS4-HMAC-SHA256' }, true],
    ['POST', {}, true],
  ] as const) {
    assert.equal(holds(ScopeDownStatement, method, headers), isCounted, `${method} ${JSON.stringify(headers)}`);
  }
  assert.deepEqual(rule.Action, { Block: { CustomResponse: { ResponseCode: 429 } } });
  const { ResourceArn } = only(on, 'AWS::WAFv2::WebACLAssociation').Properties;
  assert.equal(ResourceArn['Fn::GetAtt'][1], 'Arn');
  const { Budget, NotificationsWithSubscribers } = only(on, 'AWS::Budgets::Budget').Properties;
  assert.deepEqual(Budget.BudgetLimit, { Amount: 10, Unit: 'USD' });
  assert.deepEqual(
    NotificationsWithSubscribers.map(({ Subscribers }: Json) => Subscribers),
    Array(2).fill([{ Address: 'ops@example.org', SubscriptionType: 'EMAIL' }]),
  );
  assert.equal(only(on, 'AWS::Lambda::Function').Properties.ReservedConcurrentExecutions, 50);
});
