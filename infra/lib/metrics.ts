/** The metrics that alarms watch, of AppSync, the table and the function's log. */

import { Duration } from 'aws-cdk-lib';
import type { GraphqlApi } from 'aws-cdk-lib/aws-appsync';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import type * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import * as logs from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';

import { type Stage, named } from './stage';
import { INDEX_NAMES } from './table';

export const period = Duration.minutes(5);
/** A class joins within it. */
export const JOINING = Duration.minutes(15);
/** Of fewer members a share says nothing. */
export const FEWEST_MEMBERS = 10;

export function ofApi(api: GraphqlApi, metricName: string, statistic: string, over = period): cloudwatch.Metric {
  const dimensionsMap = { GraphQLAPIId: api.apiId };
  return new cloudwatch.Metric({ namespace: 'AWS/AppSync', metricName, dimensionsMap, statistic, period: over });
}

/** Connections, subscriptions and messages that failed, for AppSync's sake or for the client's. */
export function subscriptionErrors(api: GraphqlApi, whose: 'Client' | 'Server'): cloudwatch.IMetric {
  const kinds = ['Connect', 'Subscribe', 'PublishDataMessage'];
  const metrics = kinds.map((kind): [string, cloudwatch.Metric] => [
    kind.toLowerCase(),
    ofApi(api, `${kind}${whose}Error`, 'Sum'),
  ]);
  return sum(metrics, `${whose} errors of subscriptions`);
}

/** Of the table and of each of its indexes, which are counted apart. */
export function throttled(table: dynamodb.Table): cloudwatch.IMetric {
  const places = [{}, ...INDEX_NAMES.map((name) => ({ GlobalSecondaryIndexName: name }))];
  const metrics = places.flatMap((place, at) =>
    ['Read', 'Write'].map((kind): [string, cloudwatch.Metric] => [
      `${kind.toLowerCase()}s${at}`,
      new cloudwatch.Metric({
        namespace: 'AWS/DynamoDB',
        metricName: `${kind}ThrottleEvents`,
        dimensionsMap: { TableName: table.tableName, ...place },
        statistic: 'Sum',
        period,
      }),
    ]),
  );
  return sum(metrics, 'Throttled reads and writes');
}

/**
 * Of those who came, how many of a hundred came to poll: the sign of a network that blocks
 * WebSockets. The function logs each group and member that polls; AppSync counts subscriptions.
 */
export function pollingShare(api: GraphqlApi, polling: cloudwatch.Metric): cloudwatch.IMetric {
  const usingMetrics = {
    polling: polling.with({ period: JOINING }),
    sockets: ofApi(api, 'SubscribeSuccess', 'Sum', JOINING),
  };
  const all = '(FILL(polling, 0) + FILL(sockets, 0))';
  return new cloudwatch.MathExpression({
    expression: `IF(${all} >= ${FEWEST_MEMBERS}, 100 * FILL(polling, 0) / ${all}, 0)`,
    usingMetrics,
    label: 'Members that poll, of a hundred',
    period: JOINING,
  });
}

/**
 * What a program's log counts. A failure of the store is answered as InternalFailure, and a member
 * that polls as any other: for AWS those are good answers; only the log knows. `of` comes before the names, which
 * are those of no metric that the function writes itself (docs/monitoring.md).
 */
export function logged(scope: Construct, stage: Stage, logGroup: logs.LogGroup, of = '') {
  const count = (name: string, filterPattern: logs.IFilterPattern) =>
    new logs.MetricFilter(scope, `${name}Filter`, {
      logGroup,
      filterPattern,
      metricNamespace: 'MeshV2',
      metricName: named(`${of}${name}`, stage),
      metricValue: '1',
    }).metric({ period, statistic: 'Sum' });
  return {
    errors: count('LoggedErrors', logs.FilterPattern.stringValue('$.level', '=', 'ERROR')),
    fallbacks: count('FallbacksToPolling', logs.FilterPattern.stringValue('$.fields.protocol', '=', 'Polling')),
  };
}

function sum(metrics: [string, cloudwatch.Metric][], label: string): cloudwatch.MathExpression {
  return new cloudwatch.MathExpression({
    // AWS counts only what happens, and a sum with a gap in it may be a gap.
    expression: metrics.map(([id]) => `FILL(${id}, 0)`).join(' + '),
    usingMetrics: Object.fromEntries(metrics),
    label,
    period,
  });
}
