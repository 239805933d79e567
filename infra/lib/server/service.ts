/** The server: one task on Fargate. */

import { join } from 'node:path';

import { Duration, IgnoreMode, RemovalPolicy } from 'aws-cdk-lib';
import type * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import { Platform } from 'aws-cdk-lib/aws-ecr-assets';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as logs from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';

import { TABLE_ACTIONS, logRetention } from '../function';
import { named } from '../stage';
import { indexArns } from '../table';
import { NETWORK } from './network';
import type { ServerSecrets } from './secrets';
import type { ServerSettings } from './settings';

export const PORT = 4000;
/** Seconds that the server takes to end, beside MESH_DRAIN_SECONDS: it waits a second for connections. */
const TO_END = 10;

export class MeshService extends Construct {
  readonly made: ecs.FargateService;
  readonly log: logs.LogGroup;

  constructor(
    scope: Construct,
    settings: ServerSettings,
    root: string,
    placed: { network: ec2.Vpc; table: dynamodb.Table; secrets: ServerSecrets },
  ) {
    super(scope, 'Service');
    const { stage } = settings;
    const name = named('MeshV2-Server', stage);
    this.log = new logs.LogGroup(this, 'Log', {
      logGroupName: `/mesh-v2/${name}`,
      retention: logRetention(stage),
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const task = new ecs.FargateTaskDefinition(this, 'Task', {
      family: name,
      cpu: settings.cpu,
      memoryLimitMiB: settings.memory,
      runtimePlatform: { cpuArchitecture: ecs.CpuArchitecture.ARM64, operatingSystemFamily: ecs.OperatingSystemFamily.LINUX },
    });
    allowTable(task.taskRole, placed.table);
    task.addContainer('Server', {
      image: image(settings, root),
      command: ['serve'],
      portMappings: [{ containerPort: PORT }],
      readonlyRootFilesystem: true,
      user: '65532:65532',
      stopTimeout: Duration.seconds(stopSeconds(settings)),
      environment: environment(settings, placed.table),
      secrets: placed.secrets,
      logging: ecs.LogDrivers.awsLogs({
        logGroup: this.log,
        streamPrefix: 'server',
        // A log that cannot be written must not stop the server.
        mode: ecs.AwsLogDriverMode.NON_BLOCKING,
      }),
    });
    this.made = new ecs.FargateService(this, 'Resource', {
      serviceName: name,
      cluster: new ecs.Cluster(this, 'Cluster', { clusterName: name, vpc: placed.network }),
      taskDefinition: task,
      assignPublicIp: true,
      securityGroups: [onlyTls(this, placed.network)],
      // Exactly one: two would not pass messages to each other's subscribers. So a deploy ends
      // the old one before it starts the new one, and nothing balances zones by a second one.
      desiredCount: 1,
      minHealthyPercent: 0,
      maxHealthyPercent: 100,
      availabilityZoneRebalancing: ecs.AvailabilityZoneRebalancing.DISABLED,
      circuitBreaker: { rollback: true },
      healthCheckGracePeriod: Duration.seconds(60),
      propagateTags: ecs.PropagatedTagSource.SERVICE,
    });
  }
}

/** AWS's services and a sign-in service are called over TLS; the load balancer is let in later. */
function onlyTls(scope: Construct, vpc: ec2.Vpc): ec2.SecurityGroup {
  const group = new ec2.SecurityGroup(scope, 'Group', { vpc, allowAllOutbound: false, description: 'The server' });
  group.addEgressRule(ec2.Peer.anyIpv4(), ec2.Port.tcp(443), 'TLS');
  return group;
}

/** Built from the project, for ARM, or one of a registry. */
function image(settings: ServerSettings, root: string): ecs.ContainerImage {
  return settings.image
    ? ecs.ContainerImage.fromRegistry(settings.image)
    : ecs.ContainerImage.fromAsset(root, {
        file: join('deploy', 'Dockerfile'),
        platform: Platform.LINUX_ARM64,
        ignoreMode: IgnoreMode.DOCKER,
      });
}

/** What the program is given beside its secrets. */
function environment(settings: ServerSettings, table: dynamodb.Table): Record<string, string> {
  return {
    // The process may hold half as much again; the rest is for bytes that no budget counts.
    MESH_MAX_MEMORY: `${Math.floor(settings.memory * 0.6)}M`,
    ...settings.program,
    STAGE: settings.stage,
    AWS_REGION: settings.region,
    MESH_LISTEN: `0.0.0.0:${PORT}`,
    MESH_STORE: 'dynamodb',
    TABLE_NAME: table.tableName,
    // The load balancer puts the address of who called it last (docs/compatibility.md, D2).
    MESH_TRUSTED_PROXIES: NETWORK,
  };
}

/** Until the server is killed: longer than it takes to close its connections. */
function stopSeconds({ program }: ServerSettings): number {
  return Number(program.MESH_DRAIN_SECONDS ?? 0) + TO_END;
}

/** What the function may do, and a look at the table's form at the start. */
function allowTable(role: iam.IRole, table: dynamodb.Table): void {
  const allow = (actions: string[], resources: string[]) =>
    role.addToPrincipalPolicy(new iam.PolicyStatement({ actions, resources }));
  allow([...TABLE_ACTIONS, 'dynamodb:DescribeTable'].sort(), [table.tableArn]);
  allow(['dynamodb:Query'], indexArns(table));
}
