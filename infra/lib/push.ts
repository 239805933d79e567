/**
 * What AppSync's subscribers get beside clients' mutations: the function pushes recorded events and
 * groups' ends by a mutation of its own, and a schedule invokes it, so that groups end (D7, D13).
 */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { Duration, Stack } from 'aws-cdk-lib';
import * as appsync from 'aws-cdk-lib/aws-appsync';
import * as iam from 'aws-cdk-lib/aws-iam';
import type * as lambda from 'aws-cdk-lib/aws-lambda';
import { CfnSchedule } from 'aws-cdk-lib/aws-scheduler';
import type { Construct } from 'constructs';

import type { Settings } from './settings';
import { named } from './stage';

/** The mutation of schema/appsync.graphql. */
const MUTATION = 'publishMessage';

/** Resolves the mutation without a data source, and lets the function, and no other role of the stack's, call it. */
export function letPush(api: appsync.GraphqlApi, root: string, pusher: lambda.Function): void {
  api.addNoneDataSource('None').createResolver(`Mutation-${MUTATION}`, {
    typeName: 'Mutation',
    fieldName: MUTATION,
    code: appsync.Code.fromInline(readFileSync(join(root, 'infra/resolvers/publish.js'), 'utf8')),
    runtime: appsync.FunctionRuntime.JS_1_0_0,
  });
  pusher.role!.addToPrincipalPolicy(
    new iam.PolicyStatement({
      actions: ['appsync:GraphQL'],
      resources: [`${api.arn}/types/Mutation/fields/${MUTATION}`],
    }),
  );
  pusher.addEnvironment('MESH_APPSYNC_URL', api.graphqlUrl);
}

/** Invokes the function so that it ends the groups that are due. */
export function schedule(scope: Construct, { stage, reapMinutes }: Settings, reaper: lambda.Function): void {
  // The schedule's event waits in Lambda's queue, which repeats a failed one twice by default.
  reaper.configureAsyncInvoke({ retryAttempts: 0, maxEventAge: Duration.seconds(60) });
  const { account } = Stack.of(scope);
  const role = new iam.Role(scope, 'ScheduleRole', {
    assumedBy: new iam.ServicePrincipal('scheduler.amazonaws.com', {
      conditions: { StringEquals: { 'aws:SourceAccount': account } },
    }),
    inlinePolicies: {
      Invoke: new iam.PolicyDocument({
        statements: [new iam.PolicyStatement({ actions: ['lambda:InvokeFunction'], resources: [reaper.functionArn] })],
      }),
    },
  });
  new CfnSchedule(scope, 'Schedule', {
    name: named('MeshV2-Reaper', stage),
    description: 'Ends the groups of Mesh v2 that are due',
    scheduleExpression: `rate(${reapMinutes} minute${reapMinutes === 1 ? '' : 's'})`,
    flexibleTimeWindow: { mode: 'OFF' },
    target: {
      arn: reaper.functionArn,
      roleArn: role.roleArn,
      // As src/lambda.rs expects it.
      input: JSON.stringify({ reap: true }),
      // Delivery to Lambda's queue. What fails, here or in the function, is left to the next run.
      retryPolicy: { maximumRetryAttempts: 0, maximumEventAgeInSeconds: 60 },
    },
  });
}
