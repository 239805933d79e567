import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';

import type { Template } from 'aws-cdk-lib/assertions';

import { envFileOf } from '../lib/stage';
import { asked } from './asked';
import { container, serverTemplate, variables } from './server';
import { type Json, STAGES, bare, infra, meshV2, only, root } from './support';

for (const stage of STAGES) {
  describe(`the server in ${stage}`, () => {
    const template = serverTemplate(stage);
    const of = (type: string) => only(template, type).Properties as Json;
    const prod = stage === 'prod';

    test('is one task, and never two', () => {
      const service = of('AWS::ECS::Service');
      assert.equal(service.DesiredCount, 1);
      const { MinimumHealthyPercent: least, MaximumPercent: most, DeploymentCircuitBreaker: breaker } = service.DeploymentConfiguration;
      assert.deepEqual([least, most], [0, 100]);
      assert.deepEqual(breaker, { Enable: true, Rollback: true });
      // It would start a second one.
      assert.equal(service.AvailabilityZoneRebalancing, 'DISABLED');
      template.resourceCountIs('AWS::ApplicationAutoScaling::ScalableTarget', 0);
    });

    test('runs on Graviton, as nobody, on a disk that it cannot write', () => {
      const task = of('AWS::ECS::TaskDefinition');
      assert.deepEqual(task.RuntimePlatform, { CpuArchitecture: 'ARM64', OperatingSystemFamily: 'LINUX' });
      assert.deepEqual([task.Cpu, task.Memory], ['256', '512']);
      const { User, ReadonlyRootFilesystem, Privileged } = container(template);
      assert.deepEqual([User, ReadonlyRootFilesystem, Privileged], ['65532:65532', true, undefined]);
    });

    test('has time to close its connections before it is killed', () => {
      assert.equal(container(template).StopTimeout, 10);
      assert.equal(attributes('AWS::ElasticLoadBalancingV2::TargetGroup').get('deregistration_delay.timeout_seconds'), '5');
    });

    const attributes = (type: string): Map<string, string> => {
      const properties = of(type);
      const list = properties.TargetGroupAttributes ?? properties.LoadBalancerAttributes;
      return new Map(list.map(({ Key, Value }: Json) => [Key, Value]));
    };

    test('is reached over TLS, by HTTP/1.1 behind it, with patience for quiet sockets', () => {
      const listeners = Object.values(template.findResources('AWS::ElasticLoadBalancingV2::Listener')) as Json[];
      const [tls, plain] = [443, 80].map((port) => listeners.find(({ Properties }) => Properties.Port === port)!.Properties);
      assert.equal(tls.Protocol, 'HTTPS');
      assert.match(tls.SslPolicy, /TLS13/);
      assert.equal(plain.DefaultActions[0].RedirectConfig.Protocol, 'HTTPS');
      assert.equal(of('AWS::ElasticLoadBalancingV2::TargetGroup').ProtocolVersion, 'HTTP1');

      const idle = Number(attributes('AWS::ElasticLoadBalancingV2::LoadBalancer').get('idle_timeout.timeout_seconds'));
      const values = checked(template);
      assert.ok(idle > 2 * Number(values.get('MESH_KEEP_ALIVE_SECONDS')), 'a ping goes first');
      assert.ok(idle < Number(values.get('MESH_IDLE_SECONDS')), 'the server does not close first');
    });

    test('is looked after by /healthz', () => {
      const { HealthCheckPath, HealthCheckIntervalSeconds } = of('AWS::ElasticLoadBalancingV2::TargetGroup');
      assert.deepEqual([HealthCheckPath, HealthCheckIntervalSeconds], ['/healthz', 10]);
      assert.equal(of('AWS::ECS::Service').HealthCheckGracePeriodSeconds, 60);
    });

    test('believes the load balancer, and no one else, who called', () => {
      assert.equal(variables(template).get('MESH_TRUSTED_PROXIES'), of('AWS::EC2::VPC').CidrBlock);
      const { SecurityGroupIngress, ...service } = Object.values(template.findResources('AWS::EC2::SecurityGroup'))
        .map(({ Properties }) => Properties as Json)
        .find(({ GroupDescription }) => GroupDescription === 'The server')!;
      assert.equal(SecurityGroupIngress, undefined);
      assert.deepEqual(service.SecurityGroupEgress.map(({ FromPort, ToPort }: Json) => [FromPort, ToPort]), [[443, 443]]);
      const ingress = of('AWS::EC2::SecurityGroupIngress');
      assert.deepEqual([ingress.FromPort, ingress.ToPort], [4000, 4000]);
      assert.match(JSON.stringify(ingress.SourceSecurityGroupId), /Balancer/);
      // X-Forwarded-For is appended to, so the last entry is the load balancer's own.
      assert.equal(attributes('AWS::ElasticLoadBalancingV2::LoadBalancer').get('routing.http.xff_header_processing.mode'), undefined);
    });

    test('pays for no NAT gateway; the table is reached by an endpoint', () => {
      template.resourceCountIs('AWS::EC2::NatGateway', 0);
      assert.equal(of('AWS::ECS::Service').NetworkConfiguration.AwsvpcConfiguration.AssignPublicIp, 'ENABLED');
      const endpoint = of('AWS::EC2::VPCEndpoint');
      assert.equal(endpoint.VpcEndpointType, 'Gateway');
      assert.match(JSON.stringify(endpoint.ServiceName), /dynamodb/);
    });

    test('gets the settings of its file, secrets by reference', () => {
      const given = variables(template);
      assert.equal(given.get('STAGE'), stage);
      assert.equal(given.get('MESH_STORE'), 'dynamodb');
      assert.match(given.get('TABLE_NAME').Ref, /^Table/);
      assert.equal(given.get('MESH_MAX_MEMORY'), '307M');
      const filed = readFileSync(join(root, envFileOf(stage)), 'utf8');
      for (const [, name, value] of filed.matchAll(/^(\w+)=(.*)$/gm)) assert.equal(given.get(name!), value);
      const secrets = container(template).Secrets as Json[];
      assert.deepEqual(secrets.map(({ Name }) => Name), ['MESH_SECRET_KEY', 'MESH_API_KEYS']);
      assert.doesNotMatch([...given.keys()].join(), /KEY/);
    });

    test('runs with these settings', () => {
      const values = checked(template);
      assert.equal(values.get('MESH_LISTEN'), '0.0.0.0:4000');
      assert.equal(values.get('MESH_MAX_MEMORY'), String(307 * 1024 * 1024));
    });

    test('may do on its table what its store asks for, and look at its form', () => {
      const roles = Object.values(template.findResources('AWS::IAM::Policy')).map(({ Properties }) => Properties as Json);
      const statements = (name: RegExp) => roles.find(({ PolicyName }) => name.test(PolicyName))!.PolicyDocument.Statement as Json[];
      const [onTable, onIndexes, ...more] = statements(/TaskRole/);
      assert.deepEqual(more, []);
      assert.deepEqual(onTable!.Action, [...asked(), 'dynamodb:DescribeTable'].sort());
      assert.match(onTable!.Resource['Fn::GetAtt'][0], /^Table/);
      assert.equal(onIndexes!.Action, 'dynamodb:Query');
      assert.equal(onIndexes!.Resource.length, 2);

      // What Fargate does for it: the log and the secrets.
      const [log, ...secrets] = statements(/ExecutionRole/);
      assert.deepEqual(log!.Action, ['logs:CreateLogStream', 'logs:PutLogEvents']);
      for (const { Action, Resource } of secrets) {
        assert.deepEqual(Action, ['secretsmanager:GetSecretValue', 'secretsmanager:DescribeSecret']);
        assert.match(Resource.Ref, /^(Secret|ApiKeys)/);
      }
      assert.equal(roles.length, 2);
      for (const { Properties } of Object.values(template.findResources('AWS::IAM::Role'))) {
        assert.equal(Properties.ManagedPolicyArns, undefined);
      }
    });

    test(`${prod ? 'keeps' : 'drops'} table and secrets when it is deleted`, () => {
      const kept = ['AWS::DynamoDB::Table', 'AWS::SecretsManager::Secret'].flatMap((type) => Object.values(template.findResources(type)));
      assert.deepEqual(kept.map(({ DeletionPolicy }) => DeletionPolicy), Array(3).fill(prod ? 'Retain' : 'Delete'));
      assert.equal(of('AWS::Logs::LogGroup').RetentionInDays, prod ? 30 : 7);
      const guarded = attributes('AWS::ElasticLoadBalancingV2::LoadBalancer').get('deletion_protection.enabled');
      assert.equal(guarded, String(prod));
    });

    test('has the names of its environment, beside those of AppSync', () => {
      const tail = prod ? '' : `-${stage}`;
      assert.equal(of('AWS::DynamoDB::Table').TableName, `MeshV2ServerTable${tail}`);
      assert.equal(of('AWS::ECS::Service').ServiceName, `MeshV2-Server${tail}`);
      const alarms = Object.values(template.findResources('AWS::CloudWatch::Alarm')).map(({ Properties }) => Properties as Json);
      const names = ['Cpu', 'Down', 'Errors', 'Failures', 'Memory', 'Polling', 'TableThrottles'];
      assert.deepEqual(alarms.map(({ AlarmName }) => AlarmName).sort(), names.map((name) => `MeshV2-Server${name}${tail}`));
      // A server that reports nothing is not there.
      const down = alarms.find(({ AlarmName }) => AlarmName.startsWith('MeshV2-ServerDown'))!;
      assert.equal(down.TreatMissingData, 'breaching');
      const polling = alarms.find(({ AlarmName }) => AlarmName.startsWith('MeshV2-ServerPolling'))!;
      assert.deepEqual([polling.MetricName, polling.Period, polling.Threshold], [`ServerFallbacksToPolling${tail}`, 900, 10]);
      for (const { Type, Properties } of Object.values(template.toJSON().Resources) as Json[]) {
        const tags = Object.fromEntries((Properties.Tags ?? []).map(({ Key, Value }: Json) => [Key, Value]));
        if (Object.keys(tags).length > 0) assert.equal(tags.Service, 'Server', Type);
      }
    });
  });
}

/** What the program would run with in the container, by its own `check`. */
function checked(template: Template): Map<string, string> {
  const given = Object.fromEntries([...variables(template)].map(([name, value]) => [name, typeof value === 'string' ? value : 'the-table']));
  const secrets = { MESH_SECRET_KEY: '0123456789abcdef0123', MESH_API_KEYS: 'da2-of-our-own-0123' };
  // A table is not here, nor need the port be free.
  const here = { MESH_STORE: 'memory', MESH_LISTEN: '127.0.0.1:0' };
  const ran = spawnSync(meshV2(), ['check'], { encoding: 'utf8', cwd: infra, env: bare({ ...given, ...secrets, ...here }) });
  assert.equal(ran.status, 0, ran.stderr);
  assert.doesNotMatch(ran.stderr, /unknown|no setting/);
  const values = new Map([...ran.stdout.matchAll(/^(\w+)=(.*)$/gm)].map(([, name, value]) => [name!, value!]));
  return values.set('MESH_LISTEN', given.MESH_LISTEN!);
}
