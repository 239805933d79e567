/** The Lambda function that answers every field, and what it may do. */

import { Duration, RemovalPolicy, SecretValue, Tags } from 'aws-cdk-lib';
import type * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as logs from 'aws-cdk-lib/aws-logs';
import * as secretsmanager from 'aws-cdk-lib/aws-secretsmanager';
import { Construct } from 'constructs';

import type { Program } from './program';
import type { Settings } from './settings';
import { type Stage, named } from './stage';
import { indexArns } from './table';

/**
 * What the program asks of the table. A test reads the store's code and fails when the
 * code asks for more or for less.
 */
export const TABLE_ACTIONS = [
  'dynamodb:BatchGetItem',
  'dynamodb:BatchWriteItem',
  'dynamodb:ConditionCheckItem',
  'dynamodb:DeleteItem',
  'dynamodb:GetItem',
  'dynamodb:PutItem',
  'dynamodb:Query',
  'dynamodb:UpdateItem',
];

/** How long logs are kept: long enough to look into a lesson of last month. */
export function logRetention(stage: Stage): logs.RetentionDays {
  return stage === 'prod' ? logs.RetentionDays.ONE_MONTH : logs.RetentionDays.ONE_WEEK;
}

export class MeshFunction extends Construct {
  readonly made: lambda.Function;
  readonly log: logs.LogGroup;

  constructor(scope: Construct, settings: Settings, program: Program, table: dynamodb.Table) {
    super(scope, 'Function');
    const { stage } = settings;
    const prod = stage === 'prod';
    const functionName = named('MeshV2-GraphQL', stage);
    this.log = new logs.LogGroup(this, 'Log', {
      logGroupName: `/aws/lambda/${functionName}`,
      retention: logRetention(stage),
      removalPolicy: RemovalPolicy.DESTROY,
    });
    this.made = new lambda.Function(this, 'Resource', {
      functionName,
      description: 'Resolves every field of Mesh v2',
      runtime: lambda.Runtime.PROVIDED_AL2023,
      architecture: lambda.Architecture.ARM_64,
      handler: 'bootstrap',
      code: lambda.Code.fromAsset(program.folder),
      // AppSync waits no longer either.
      timeout: Duration.seconds(30),
      // Processor time grows with it: a cold start is shorter than with the least, 128.
      memorySize: 256,
      reservedConcurrentExecutions: settings.reservedConcurrency,
      role: this.role(table),
      logGroup: this.log,
      loggingFormat: lambda.LoggingFormat.JSON,
      // The program filters its lines itself, by MESH_LOG.
      applicationLogLevelV2: lambda.ApplicationLogLevel.TRACE,
      // In prod Lambda writes no lines of its own for each call, which cost more than the call.
      systemLogLevelV2: prod ? lambda.SystemLogLevel.WARN : lambda.SystemLogLevel.INFO,
      // X-Ray is off in prod for its cost (docs/compatibility.md, On AWS).
      tracing: prod ? lambda.Tracing.DISABLED : lambda.Tracing.ACTIVE,
      environment: {
        STAGE: stage,
        TABLE_NAME: table.tableName,
        ...settings.program,
        // A reference that CloudFormation resolves: the template holds no secret.
        MESH_SECRET_KEY: secret(this, settings).unsafeUnwrap(),
      },
    });
    Tags.of(this).add('ResourceType', 'Lambda');
  }

  private role(table: dynamodb.Table): iam.Role {
    const role = new iam.Role(this, 'Role', {
      assumedBy: new iam.ServicePrincipal('lambda.amazonaws.com'),
    });
    role.addToPolicy(
      new iam.PolicyStatement({ actions: TABLE_ACTIONS, resources: [table.tableArn] }),
    );
    role.addToPolicy(
      new iam.PolicyStatement({ actions: ['dynamodb:Query'], resources: indexArns(table) }),
    );
    this.log.grantWrite(role);
    return role;
  }
}

/** What domains are derived from (decision D1): without it they would all change. */
function secret(scope: Construct, { stage, secretName }: Settings): SecretValue {
  if (secretName) return SecretValue.secretsManager(secretName);
  const made = new secretsmanager.Secret(scope, 'Secret', {
    secretName: named('MeshV2-SecretKey', stage),
    description: 'MESH_SECRET_KEY of Mesh v2: anyone who has it can compute domains',
    generateSecretString: { passwordLength: 64, excludePunctuation: true },
    removalPolicy: stage === 'prod' ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
  });
  return made.secretValue;
}
