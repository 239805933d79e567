import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';

import type { Template } from 'aws-cdk-lib/assertions';

import { fields } from '../lib/schema';
import { envFileOf } from '../lib/stage';
import { type Json, STAGES, bare, infra, meshV2, only, root, settingsOf, templateOf } from './support';
import { serverTemplate, variables } from './server';

const NAMES = {
  stg: ['MeshV2Table-stg', 'MeshV2Api-stg', 'MeshV2-GraphQL-stg'],
  stg2: ['MeshV2Table-stg2', 'MeshV2Api-stg2', 'MeshV2-GraphQL-stg2'],
  prod: ['MeshV2Table', 'MeshV2Api', 'MeshV2-GraphQL'],
};
const OUTPUTS = ['GraphQLApiEndpoint', 'GraphQLApiId', 'GraphQLApiKey', 'GraphQLApiKeyEnd', 'TableArn', 'TableName'];
/** Kinds that CloudFormation cannot tag. */
const UNTAGGED = /^AWS::(IAM::Policy|AppSync::(GraphQLSchema|ApiKey|DataSource|Resolver)|Lambda::EventInvokeConfig|Logs::MetricFilter|Scheduler::Schedule)$/;

for (const stage of STAGES) {
  describe(`stage ${stage}`, () => {
    const template = templateOf(stage);
    const resources = template.toJSON().Resources as Record<string, Json>;
    const of = (type: string) => only(template, type).Properties as Json;
    const prod = stage === 'prod';

    test('has its names', () => {
      const table = of('AWS::DynamoDB::Table').TableName;
      const api = of('AWS::AppSync::GraphQLApi').Name;
      assert.deepEqual([table, api, of('AWS::Lambda::Function').FunctionName], NAMES[stage]);
    });

    test('tags everything that can be tagged', () => {
      const kinds: Json = {
        'AWS::DynamoDB::Table': 'DynamoDB',
        'AWS::AppSync::GraphQLApi': 'GraphQLAPI',
        'AWS::Lambda::Function': 'Lambda',
      };
      for (const [name, { Type, Properties }] of Object.entries(resources)) {
        if (UNTAGGED.test(Type)) continue;
        const tags = Object.fromEntries((Properties.Tags ?? []).map(({ Key, Value }: Json) => [Key, Value]));
        const { ResourceType, ...rest } = tags;
        const all = { Project: 'MeshV2', Stage: stage, Service: 'AppSync', ManagedBy: 'CDK' };
        assert.deepEqual(rest, all, name);
        if (kinds[Type]) assert.equal(ResourceType, kinds[Type], name);
      }
    });

    test('says what came of it', () => {
      assert.deepEqual(Object.keys(template.toJSON().Outputs).sort(), OUTPUTS);
    });

    test('has one table with both indexes, TTL and billing by use', () => {
      const keys = (pk: string, sk: string) => [
        { AttributeName: pk, KeyType: 'HASH' },
        { AttributeName: sk, KeyType: 'RANGE' },
      ];
      const table = of('AWS::DynamoDB::Table');
      assert.deepEqual(table.KeySchema, keys('pk', 'sk'));
      assert.deepEqual(table.GlobalSecondaryIndexes, [
        { IndexName: 'GroupIdIndex', KeySchema: keys('gsi_pk', 'gsi_sk'), Projection: { ProjectionType: 'ALL' } },
        { IndexName: 'GroupNameIndex', KeySchema: keys('gsi2_pk', 'gsi2_sk'), Projection: { ProjectionType: 'KEYS_ONLY' } },
      ]);
      assert.deepEqual(table.TimeToLiveSpecification, { AttributeName: 'ttl', Enabled: true });
      assert.equal(table.BillingMode, 'PAY_PER_REQUEST');
    });

    test(`${prod ? 'keeps' : 'drops'} table and secret when it is deleted`, () => {
      for (const type of ['AWS::DynamoDB::Table', 'AWS::SecretsManager::Secret']) {
        const { DeletionPolicy, UpdateReplacePolicy } = only(template, type);
        const policy = prod ? 'Retain' : 'Delete';
        assert.deepEqual([DeletionPolicy, UpdateReplacePolicy], [policy, policy], type);
      }
      const recovery = of('AWS::DynamoDB::Table').PointInTimeRecoverySpecification;
      assert.deepEqual(recovery, { PointInTimeRecoveryEnabled: prod });
      assert.equal(of('AWS::DynamoDB::Table').DeletionProtectionEnabled, prod);
    });

    test('lets in who brings the API key, for a year', () => {
      const api = of('AWS::AppSync::GraphQLApi');
      assert.equal(api.AuthenticationType, 'API_KEY');
      // For the function's own mutation.
      assert.deepEqual(api.AdditionalAuthenticationProviders, [{ AuthenticationType: 'AWS_IAM' }]);
      const days = (of('AWS::AppSync::ApiKey').Expires - Date.now() / 1000) / 86400;
      assert.ok(days > 364 && days <= 365, `${days} days`);
    });

    test('logs and traces as much as its stage should', () => {
      const api = of('AWS::AppSync::GraphQLApi');
      assert.equal(api.LogConfig.FieldLogLevel, prod ? 'ERROR' : 'ALL');
      assert.equal(api.LogConfig.ExcludeVerboseContent, true);
      assert.equal(api.XrayEnabled, !prod);
      const { TracingConfig, LoggingConfig } = of('AWS::Lambda::Function');
      assert.equal(TracingConfig?.Mode, prod ? undefined : 'Active');
      assert.equal(LoggingConfig.LogFormat, 'JSON');
      assert.equal(LoggingConfig.ApplicationLogLevel, 'TRACE');
      assert.equal(LoggingConfig.SystemLogLevel, prod ? 'WARN' : 'INFO');
      const logs = Object.values(template.findResources('AWS::Logs::LogGroup')) as Json[];
      assert.deepEqual(logs.map((log) => log.Properties.RetentionInDays), prod ? [30, 30] : [7, 7]);
    });

    test("gives the function the stage's settings and a reference to its secret", () => {
      const { Variables } = of('AWS::Lambda::Function').Environment;
      const { MESH_SECRET_KEY: secret, TABLE_NAME: table, MESH_APPSYNC_URL: url, STAGE, ...rest } = Variables;
      assert.match(url['Fn::GetAtt'].join('.'), /^Api\w+\.GraphQLUrl$/);
      assert.equal(STAGE, stage);
      assert.match(table.Ref, /^Table/);
      assert.deepEqual(rest, settingsOf(stage).program);
      assert.equal(rest.MESH_NEXT_SINCE, 'empty');
      // In prod the longest life is not set: it follows the default.
      assert.equal(Object.keys(rest).length, prod ? 9 : 10, `all of ${envFileOf(stage)} but the stage`);
      assert.match(JSON.stringify(secret), /\{\{resolve:secretsmanager:",\{"Ref":"FunctionSecret\w+"\},":SecretString:::\}\}/);
      assert.deepEqual(of('AWS::SecretsManager::Secret').GenerateSecretString, { PasswordLength: 64, ExcludePunctuation: true });
    });

    test('runs the program on Graviton', () => {
      const { Runtime, Architectures, Handler, Timeout } = of('AWS::Lambda::Function');
      assert.deepEqual([Runtime, Architectures, Handler, Timeout], ['provided.al2023', ['arm64'], 'bootstrap', 30]);
    });

    test('resolves every field of Query and Mutation by the one function', () => {
      const contract = fields(readFileSync(join(root, 'schema/schema.graphql'), 'utf8'));
      assert.equal(contract.length, 24);
      const handlers = readFileSync(join(infra, 'resolvers/lambda.js'), 'utf8');
      const found = Object.values(template.findResources('AWS::AppSync::Resolver')).map((one) => (one as Json).Properties);
      const resolvers = found.filter(({ FieldName }) => FieldName !== 'publishMessage');
      const asked = resolvers.map(({ TypeName, FieldName }) => ({ typeName: TypeName, fieldName: FieldName }));
      assert.deepEqual(asked, contract);
      for (const resolver of resolvers) {
        assert.equal(resolver.Code, handlers);
        assert.deepEqual(resolver.Runtime, { Name: 'APPSYNC_JS', RuntimeVersion: '1.0.0' });
        assert.equal(resolver.Kind, 'UNIT');
        assert.equal(resolver.DataSourceName, 'Lambda');
      }
      const sources = Object.values(template.findResources('AWS::AppSync::DataSource')) as Json[];
      assert.deepEqual(sources.map(({ Properties }) => Properties.Type).sort(), ['AWS_LAMBDA', 'NONE']);
      assert.equal(of('AWS::AppSync::GraphQLApi').ResolverCountLimit, 50);
    });

    test('asks the function about subscriptions only under the policy own', () => {
      for (const policy of ['open', 'own', 'token']) {
        const found = Object.values(templateOf(stage, { MESH_POLICY: policy }).findResources('AWS::AppSync::Resolver')) as Json[];
        const asked = found.filter(({ Properties }) => Properties.TypeName === 'Subscription');
        assert.deepEqual(asked.map(({ Properties }) => Properties.FieldName), policy === 'own' ? ['onMessageInGroup'] : []);
      }
    });

    test('watches for failures, refusals, throttling and slowness, and mails no one unless asked', () => {
      const alarms = Object.values(template.findResources('AWS::CloudWatch::Alarm')).map((one) => (one as Json).Properties);
      const tail = prod ? '' : `-${stage}`;
      const names = [
        'ApiErrors', 'ApiLatency', 'ApiRefusals', 'Failures', 'LambdaErrors', 'LambdaThrottles', 'PollingShare',
        'SubscriptionErrors', 'SubscriptionRefusals', 'TableThrottles',
      ];
      assert.deepEqual(alarms.map((alarm) => alarm.AlarmName).sort(), names.map((name) => `MeshV2-${name}${tail}`));
      assert.ok(alarms.every((alarm) => !alarm.AlarmActions && alarm.TreatMissingData === 'notBreaching'));
      template.resourceCountIs('AWS::SNS::Topic', 0);
      const filters = Object.values(template.findResources('AWS::Logs::MetricFilter')).map((one) => (one as Json).Properties);
      assert.deepEqual(
        filters.map((filter) => [filter.FilterPattern, filter.MetricTransformations[0].MetricName]),
        [['{ $.level = "ERROR" }', `LoggedErrors${tail}`], ['{ $.fields.protocol = "Polling" }', `FallbacksToPolling${tail}`]],
      );
      assert.ok(alarms.some(({ MetricName }) => MetricName === `LoggedErrors${tail}`));
    });

    test('makes nothing else', () => {
      const kinds = [...new Set(Object.values(resources).map(({ Type }) => Type))].sort();
      assert.deepEqual(kinds, [
        'AWS::AppSync::ApiKey', 'AWS::AppSync::DataSource', 'AWS::AppSync::GraphQLApi',
        'AWS::AppSync::GraphQLSchema', 'AWS::AppSync::Resolver', 'AWS::CloudWatch::Alarm',
        'AWS::DynamoDB::Table', 'AWS::IAM::Policy', 'AWS::IAM::Role', 'AWS::Lambda::EventInvokeConfig', 'AWS::Lambda::Function',
        'AWS::Logs::LogGroup', 'AWS::Logs::MetricFilter', 'AWS::Scheduler::Schedule', 'AWS::SecretsManager::Secret',
      ]);
    });

    test('pushes through a mutation of the function alone, and ends groups on a schedule', () => {
      const { resolver, role } = pushOf(template);
      assert.equal(resolver.TypeName, 'Mutation');
      assert.equal(resolver.DataSourceName, 'None');
      assert.equal(resolver.Code, readFileSync(join(infra, 'resolvers/publish.js'), 'utf8'));
      const { PUBLISHER_ROLE } = of('AWS::AppSync::GraphQLApi').EnvironmentVariables;
      assert.deepEqual(of('AWS::Lambda::Function').Role, { 'Fn::GetAtt': [PUBLISHER_ROLE.Ref, 'Arn'] });
      const schedule = of('AWS::Scheduler::Schedule');
      assert.equal(schedule.Name, `MeshV2-Reaper${prod ? '' : `-${stage}`}`);
      assert.equal(schedule.ScheduleExpression, 'rate(1 minute)');
      assert.equal(schedule.Target.Input, '{"reap":true}');
      assert.deepEqual(schedule.Target.RetryPolicy, { MaximumEventAgeInSeconds: 60, MaximumRetryAttempts: 0 });
      const [fn] = Object.keys(template.findResources('AWS::Lambda::Function'));
      const { FunctionName, ...asynchronous } = of('AWS::Lambda::EventInvokeConfig');
      assert.deepEqual(FunctionName, { Ref: fn });
      assert.deepEqual(asynchronous, { Qualifier: '$LATEST', MaximumEventAgeInSeconds: 60, MaximumRetryAttempts: 0 });
      assert.deepEqual(schedule.Target.Arn, { 'Fn::GetAtt': [fn, 'Arn'] });
      // It may invoke the function, and only this account's schedules may be it.
      const { Policies, AssumeRolePolicyDocument: trust } = resources[schedule.Target.RoleArn['Fn::GetAtt'][0]]!.Properties;
      const [{ PolicyDocument }, ...others] = Policies;
      assert.deepEqual(others, []);
      assert.deepEqual(PolicyDocument.Statement, [
        { Action: 'lambda:InvokeFunction', Effect: 'Allow', Resource: { 'Fn::GetAtt': [fn, 'Arn'] } },
      ]);
      assert.deepEqual(trust.Statement[0].Principal, { Service: 'scheduler.amazonaws.com' });
      assert.ok(trust.Statement[0].Condition.StringEquals['aws:SourceAccount']);
      assert.match(JSON.stringify(role.Resource), /"Fn::GetAtt":\["Api\w+","Arn"\]\},"\/types\/Mutation\/fields\/publishMessage"/);
      assert.equal(role.Action, 'appsync:GraphQL');
    });
  });
}

/** The resolver of the function's own mutation, and its right to call it. */
function pushOf(template: ReturnType<typeof templateOf>): { resolver: Json; role: Json } {
  const resolvers = Object.values(template.findResources('AWS::AppSync::Resolver')) as Json[];
  const policies = Object.values(template.findResources('AWS::IAM::Policy')) as Json[];
  const statements = policies.flatMap(({ Properties }) => Properties.PolicyDocument.Statement as Json[]);
  const [role, ...others] = statements.filter(({ Action }) => [Action].flat().some((one) => one.startsWith('appsync:')));
  assert.deepEqual(others, []);
  return { resolver: resolvers.find(({ Properties }) => Properties.FieldName === 'publishMessage')!.Properties, role: role! };
}

test('without push AppSync is what it was, to its price', () => {
  const template = templateOf('prod', { APPSYNC_PUSH: 'false' });
  const text = JSON.stringify(template.toJSON());
  assert.doesNotMatch(text, /publishMessage|aws_iam|AWS_IAM|PUBLISHER_ROLE|MESH_APPSYNC_URL|appsync:GraphQL/);
  template.resourceCountIs('AWS::Scheduler::Schedule', 0);
  template.resourceCountIs('AWS::Lambda::EventInvokeConfig', 0);
  template.resourceCountIs('AWS::AppSync::DataSource', 1);
});

test('the schedule runs as often as asked', () => {
  const schedule = only(templateOf('stg', { APPSYNC_REAP_MINUTES: '5' }), 'AWS::Scheduler::Schedule').Properties;
  assert.equal(schedule.ScheduleExpression, 'rate(5 minutes)');
});

test('IAM and a user pool are let in beside the key', () => {
  const pool = { APPSYNC_IAM: 'true', APPSYNC_USER_POOL_ID: 'ap-northeast-1_AbCdEf123' };
  const api = only(templateOf('prod', pool), 'AWS::AppSync::GraphQLApi').Properties;
  assert.equal(api.AuthenticationType, 'API_KEY');
  assert.deepEqual(api.AdditionalAuthenticationProviders, [
    { AuthenticationType: 'AWS_IAM' },
    {
      AuthenticationType: 'AMAZON_COGNITO_USER_POOLS',
      UserPoolConfig: { AwsRegion: 'ap-northeast-1', UserPoolId: 'ap-northeast-1_AbCdEf123' },
    },
  ]);
});

test('users of an OpenID Connect service are let in beside the others, for its clients alone', () => {
  const oidc = { APPSYNC_OIDC_ISSUER: 'https://sign-in.example/pool', APPSYNC_OIDC_CLIENT_IDS: 'mesh.editor, other' };
  const template = templateOf('prod', { ...oidc, APPSYNC_IAM: 'true', APPSYNC_USER_POOL_ID: 'ap-northeast-1_AbCdEf123' });
  const api = only(template, 'AWS::AppSync::GraphQLApi').Properties;
  assert.equal(api.AuthenticationType, 'API_KEY');
  const types = api.AdditionalAuthenticationProviders.map((one: Json) => one.AuthenticationType);
  assert.deepEqual(types, ['AWS_IAM', 'AMAZON_COGNITO_USER_POOLS', 'OPENID_CONNECT']);
  assert.deepEqual(api.AdditionalAuthenticationProviders[2].OpenIDConnectConfig, {
    ClientId: '^(mesh\\.editor|other)$',
    Issuer: 'https://sign-in.example/pool',
  });
});

test('a user pool is looked for in the region where it is', () => {
  const api = only(templateOf('stg', { APPSYNC_USER_POOL_ID: 'us-east-1_AbCdEf123' }), 'AWS::AppSync::GraphQLApi').Properties;
  const [{ UserPoolConfig: pool }] = api.AdditionalAuthenticationProviders;
  assert.deepEqual(pool, { AwsRegion: 'us-east-1', UserPoolId: 'us-east-1_AbCdEf123' });
});

test('a throttled read or write is noticed alone, of the table and of each index', () => {
  const alarms = Object.values(templateOf('prod').findResources('AWS::CloudWatch::Alarm')).map((one) => (one as Json).Properties);
  const [sum, ...parts] = alarms.find(({ AlarmName }) => AlarmName === 'MeshV2-TableThrottles')!.Metrics as Json[];
  // A part without data counts as 0 and does not silence the others.
  assert.equal(sum!.Expression, parts.map(({ Id }) => `FILL(${Id}, 0)`).join(' + '));
  const watched = parts.map(({ MetricStat: { Metric } }) => {
    const index = Metric.Dimensions.find(({ Name }: Json) => Name === 'GlobalSecondaryIndexName');
    return [index?.Value, Metric.MetricName];
  });
  const both = (index?: string) => [[index, 'ReadThrottleEvents'], [index, 'WriteThrottleEvents']];
  assert.deepEqual(watched, [...both(), ...both('GroupIdIndex'), ...both('GroupNameIndex')]);
});

test('the share of members that poll is of those who poll and those who subscribed', () => {
  const alarms = Object.values(templateOf('prod').findResources('AWS::CloudWatch::Alarm')).map((one) => (one as Json).Properties);
  const alarm = alarms.find(({ AlarmName }) => AlarmName === 'MeshV2-PollingShare')!;
  const [share, ...parts] = alarm.Metrics as Json[];
  assert.match(share!.Expression, /^IF\(.* >= 10, 100 \* FILL\(polling, 0\) \/ .*, 0\)$/);
  const watched = parts.map(({ Id, MetricStat: { Metric, Period } }) => [Id, Metric.Namespace, Metric.MetricName, Period]);
  assert.deepEqual(watched, [['polling', 'MeshV2', 'FallbacksToPolling', 900], ['sockets', 'AWS/AppSync', 'SubscribeSuccess', 900]]);
  assert.equal(alarm.Threshold, 20);
});

test('errors of subscriptions are counted of connections, subscriptions and messages', () => {
  const alarms = Object.values(templateOf('prod').findResources('AWS::CloudWatch::Alarm')).map((one) => (one as Json).Properties);
  for (const [name, whose, threshold] of [['SubscriptionErrors', 'Server', 1], ['SubscriptionRefusals', 'Client', 20]]) {
    const { Metrics, Threshold } = alarms.find(({ AlarmName }) => AlarmName === `MeshV2-${name}`)!;
    const names = Metrics.slice(1).map(({ MetricStat }: Json) => MetricStat.Metric.MetricName);
    assert.deepEqual(names, ['Connect', 'Subscribe', 'PublishDataMessage'].map((kind) => `${kind}${whose}Error`));
    assert.equal(Threshold, threshold);
  }
});

test('costs counts the metrics that alarms watch, as they are billed', () => {
  const { stdout } = spawnSync(meshV2(), ['costs', '--json'], { encoding: 'utf8', env: bare() });
  const { deployments } = JSON.parse(stdout) as Json;
  const counted = (deployment: string) => {
    const { month_parts: parts } = deployments.find((price: Json) => price.deployment === deployment);
    return parts.find(({ what }: Json) => what === 'metrics of alarms').amount;
  };
  const watched = (template: Template) =>
    (Object.values(template.findResources('AWS::CloudWatch::Alarm')) as Json[])
      .map(({ Properties: { Metrics } }) => Metrics?.filter(({ MetricStat }: Json) => MetricStat).length ?? 1)
      .reduce((sum, count) => sum + count);
  assert.equal(counted('appsync'), watched(templateOf('prod')));
  assert.equal(counted('fargate'), watched(serverTemplate('prod')));
});

test("the interval of the function's metrics reaches the function, and nothing but it", () => {
  const asked = { MESH_LAMBDA_METRICS_SECONDS: '300' };
  const { Variables } = only(templateOf('prod', asked), 'AWS::Lambda::Function').Properties.Environment;
  assert.equal(Variables.MESH_LAMBDA_METRICS_SECONDS, '300');
  assert.equal(variables(serverTemplate('prod', asked)).get('MESH_LAMBDA_METRICS_SECONDS'), undefined);
});

test('alarms are mailed to who asks for it', () => {
  const template = templateOf('stg', { ALARM_EMAIL: 'ops@example.org' });
  template.hasResourceProperties('AWS::SNS::Subscription', { Protocol: 'email', Endpoint: 'ops@example.org' });
  const alarms = Object.values(template.findResources('AWS::CloudWatch::Alarm')) as Json[];
  for (const { Properties } of alarms) assert.equal(Properties.AlarmActions.length, 1);
});

test('a secret that is there already is used as it is', () => {
  const template = templateOf('prod', { MESH_SECRET_NAME: 'school/mesh' });
  template.resourceCountIs('AWS::SecretsManager::Secret', 0);
  const { Variables } = only(template, 'AWS::Lambda::Function').Properties.Environment;
  assert.equal(Variables.MESH_SECRET_KEY, '{{resolve:secretsmanager:school/mesh:SecretString:::}}');
});

test('a custom domain has a name, a certificate, an address and an output', () => {
  const template = templateOf('stg', {
    APPSYNC_CUSTOM_DOMAIN: '',
    ROUTE53_PARENT_ZONE_ID: 'Z0123456789',
    APPSYNC_CERTIFICATE_ARN: 'arn:aws:acm:us-east-1:123456789012:certificate/abc',
  });
  const name = 'stg.graphql.api.smalruby.app';
  template.hasResourceProperties('AWS::AppSync::DomainName', {
    DomainName: name,
    CertificateArn: 'arn:aws:acm:us-east-1:123456789012:certificate/abc',
  });
  template.resourceCountIs('AWS::AppSync::DomainNameApiAssociation', 1);
  template.hasResourceProperties('AWS::Route53::RecordSet', { Name: `${name}.`, Type: 'A', HostedZoneId: 'Z0123456789' });
  assert.equal(template.toJSON().Outputs.CustomDomainUrl.Value, `https://${name}/graphql`);
});
