/** What an operator is alerted of: failures, throttling, slowness. */

import { Duration } from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import type { GraphqlApi } from 'aws-cdk-lib/aws-appsync';
import type * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import type * as lambda from 'aws-cdk-lib/aws-lambda';
import * as logs from 'aws-cdk-lib/aws-logs';
import * as sns from 'aws-cdk-lib/aws-sns';
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import { Construct } from 'constructs';

import type { Settings } from './settings';
import { named } from './stage';
import { INDEX_NAMES } from './table';

const period = Duration.minutes(5);
/** Milliseconds within which 95 of 100 requests should be answered (docs/compatibility.md, On AWS). */
const SLOW_MS = 500;

export interface Watched {
  table: dynamodb.Table;
  function: lambda.Function;
  log: logs.LogGroup;
  api: GraphqlApi;
}

export class MeshAlarms extends Construct {
  constructor(scope: Construct, private readonly settings: Settings, watched: Watched) {
    super(scope, 'Alarms');
    const all = [
      this.alarm('LambdaErrors', 'The function fails', watched.function.metricErrors({ period }), 1),
      this.alarm('Failures', 'The function logs failures: its table fails it', this.failures(watched.log), 1),
      this.alarm('LambdaThrottles', 'More calls than the function may answer at once', watched.function.metricThrottles({ period }), 1),
      this.alarm('TableThrottles', 'The table turns requests away', throttled(watched.table), 1),
      this.alarm('ApiErrors', 'AppSync itself fails', ofApi(watched.api, '5XXError', 'Sum'), 1),
      // Three spans of five minutes: a few cold starts are no news.
      this.alarm('ApiLatency', `5 of 100 requests take ${SLOW_MS} ms or more`, ofApi(watched.api, 'Latency', 'p95'), SLOW_MS, 3),
    ];
    if (!settings.alarmEmail) return;
    const topic = new sns.Topic(this, 'Topic', { topicName: named('MeshV2-Alarms', settings.stage) });
    topic.addSubscription(new EmailSubscription(settings.alarmEmail));
    for (const alarm of all) {
      alarm.addAlarmAction(new SnsAction(topic));
      alarm.addOkAction(new SnsAction(topic));
    }
  }

  private alarm(name: string, sentence: string, metric: cloudwatch.IMetric, threshold: number, periods = 1) {
    return new cloudwatch.Alarm(this, name, {
      alarmName: named(`MeshV2-${name}`, this.settings.stage),
      alarmDescription: `${sentence} (docs/deployment.md, Alarms)`,
      metric,
      threshold,
      evaluationPeriods: periods,
      comparisonOperator: cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
      treatMissingData: cloudwatch.TreatMissingData.NOT_BREACHING,
    });
  }

  /**
   * A failure of the store is answered as InternalFailure. For Lambda and AppSync
   * that is a good answer; only the function's log knows.
   */
  private failures(logGroup: logs.LogGroup): cloudwatch.Metric {
    const filter = new logs.MetricFilter(this, 'FailuresInLog', {
      logGroup,
      filterPattern: logs.FilterPattern.stringValue('$.level', '=', 'ERROR'),
      metricNamespace: 'MeshV2',
      metricName: named('Failures', this.settings.stage),
      metricValue: '1',
    });
    return filter.metric({ period, statistic: 'Sum' });
  }
}

/** Of the table and of each of its indexes, which are counted apart. */
function throttled(table: dynamodb.Table): cloudwatch.IMetric {
  const places = [{}, ...INDEX_NAMES.map((name) => ({ GlobalSecondaryIndexName: name }))];
  const sums = places.flatMap((place, at) =>
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
  return new cloudwatch.MathExpression({
    // DynamoDB counts only what happens, and a sum with a gap in it may be a gap.
    expression: sums.map(([id]) => `FILL(${id}, 0)`).join(' + '),
    usingMetrics: Object.fromEntries(sums),
    label: 'Throttled reads and writes',
    period,
  });
}

function ofApi(api: GraphqlApi, metricName: string, statistic: string): cloudwatch.Metric {
  const dimensionsMap = { GraphQLAPIId: api.apiId };
  return new cloudwatch.Metric({ namespace: 'AWS/AppSync', metricName, dimensionsMap, statistic, period });
}
