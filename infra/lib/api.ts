/** AppSync: the contract's schema, its resolvers, its keys and its log. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { RemovalPolicy, Stack, Tags } from 'aws-cdk-lib';
import * as acm from 'aws-cdk-lib/aws-certificatemanager';
import * as appsync from 'aws-cdk-lib/aws-appsync';
import { UserPool } from 'aws-cdk-lib/aws-cognito';
import * as iam from 'aws-cdk-lib/aws-iam';
import type * as lambda from 'aws-cdk-lib/aws-lambda';
import * as logs from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';

import { logRetention } from './function';
import { type EarlierKey, earlierKeys, handedOut } from './keys';
import { letPush } from './push';
import { type Field, fields, forAppSync, openedTo, withPush } from './schema';
import type { Settings } from './settings';
import { named } from './stage';

/**
 * Resolvers that one request may run. Each is a call of the function; the server takes as
 * many aliases (MESH_MAX_ALIASES).
 */
const MOST_RESOLVERS = 50;

interface Mode {
  mode: appsync.AuthorizationMode;
  directive: string;
}

const IAM: Mode = { mode: { authorizationType: appsync.AuthorizationType.IAM }, directive: '@aws_iam' };

export class MeshApi extends Construct {
  readonly made: appsync.GraphqlApi;
  /** Keys that clients may still use beside the one that is handed out. */
  readonly earlierKeys: EarlierKey[];

  constructor(
    scope: Construct,
    settings: Settings,
    root: string,
    answers: lambda.Function,
    certificate: acm.ICertificate | undefined,
  ) {
    super(scope, 'Api');
    const schema = readFileSync(join(root, 'schema/schema.graphql'), 'utf8');
    const [usual, ...others] = modes(this, settings);
    const prod = settings.stage === 'prod';
    this.made = new appsync.GraphqlApi(this, 'Resource', {
      name: named('MeshV2Api', settings.stage),
      definition: schemaOf(root, schema, [usual, ...others], settings),
      authorizationConfig: {
        defaultAuthorization: usual.mode,
        additionalAuthorizationModes: withFunction(others, settings).map(({ mode }) => mode),
      },
      xrayEnabled: !prod,
      resolverCountLimit: MOST_RESOLVERS,
      domainName: certificate && { certificate, domainName: settings.domain!.name },
      environmentVariables: settings.push ? { PUBLISHER_ROLE: answers.role!.roleName } : undefined,
    });
    this.earlierKeys = earlierKeys(this.made, settings);
    this.keepLog(settings);
    const own = settings.program.MESH_POLICY === 'own';
    this.resolve(fields(schema, own), root, answers);
    if (settings.push) letPush(this.made, root, answers);
    Tags.of(this).add('ResourceType', 'GraphQLAPI');
  }

  /**
   * AppSync may write this one log, which is kept as long as the function's. GraphqlApi's
   * own logConfig would add a function with rights over every log, only to say how long.
   */
  private keepLog({ stage }: Settings): void {
    const prod = stage === 'prod';
    const role = new iam.Role(this, 'LogRole', {
      assumedBy: new iam.ServicePrincipal('appsync.amazonaws.com'),
    });
    (this.made.node.defaultChild as appsync.CfnGraphQLApi).logConfig = {
      cloudWatchLogsRoleArn: role.roleArn,
      fieldLogLevel: prod ? 'ERROR' : 'ALL',
      // Verbose content has arguments: children's values, and tokens.
      excludeVerboseContent: true,
    };
    const log = new logs.LogGroup(this, 'Log', {
      logGroupName: `/aws/appsync/apis/${this.made.apiId}`,
      retention: logRetention(stage),
      removalPolicy: RemovalPolicy.DESTROY,
    });
    log.grantWrite(role);
  }

  /**
   * One resolver for each field of Query and Mutation in the schema's file. Under the policy own,
   * the subscription has one too: the function refuses those of other networks' groups.
   */
  private resolve(resolved: Field[], root: string, answers: lambda.Function): void {
    const source = this.made.addLambdaDataSource('Lambda', answers);
    const handlers = readFileSync(join(root, 'infra/resolvers/lambda.js'), 'utf8');
    for (const { typeName, fieldName } of resolved) {
      source.createResolver(`${typeName}-${fieldName}`, {
        typeName,
        fieldName,
        code: appsync.Code.fromInline(handlers),
        runtime: appsync.FunctionRuntime.JS_1_0_0,
      });
    }
  }
}

function schemaOf(root: string, schema: string, modes: Mode[], { push }: Settings): appsync.Definition {
  let text = forAppSync(schema);
  if (push) text = withPush(text, readFileSync(join(root, 'schema/appsync.graphql'), 'utf8'));
  text = openedTo(modes.map(({ directive }) => directive), text);
  const file = appsync.SchemaFile.fromAsset(join(root, 'schema/schema.graphql'));
  file.definition = text;
  return appsync.Definition.fromSchema(file);
}

/** The function comes with AWS credentials, which the API accepts for its mutation alone. */
function withFunction(others: Mode[], { push, iam: withIam }: Settings): Mode[] {
  return push && !withIam ? [...others, IAM] : others;
}

/** Who is let in: the API key's holder first, then the additional ones. */
function modes(scope: Construct, settings: Settings): [Mode, ...Mode[]] {
  const { iam: withIam, userPoolId, oidc } = settings;
  const { AuthorizationType } = appsync;
  const others: Mode[] = [];
  if (withIam) others.push(IAM);
  if (userPoolId) {
    // AppSync looks for the pool in its own region, which may be another than the stack's.
    const arn = { service: 'cognito-idp', resource: 'userpool', resourceName: userPoolId };
    const region = userPoolId.slice(0, userPoolId.indexOf('_'));
    const userPool = UserPool.fromUserPoolArn(scope, 'UserPool', Stack.of(scope).formatArn({ ...arn, region }));
    others.push({
      mode: { authorizationType: AuthorizationType.USER_POOL, userPoolConfig: { userPool } },
      directive: '@aws_cognito_user_pools',
    });
  }
  if (oidc) {
    // AppSync takes a regular expression, and one that is found anywhere in the id.
    const ids = oidc.clientIds.map((id) => id.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
    const openIdConnectConfig = { oidcProvider: oidc.issuer, clientId: `^(${ids.join('|')})$` };
    others.push({
      mode: { authorizationType: AuthorizationType.OIDC, openIdConnectConfig },
      directive: '@aws_oidc',
    });
  }
  const mode = { authorizationType: AuthorizationType.API_KEY, apiKeyConfig: handedOut(settings) };
  return [{ mode, directive: '@aws_api_key' }, ...others];
}
