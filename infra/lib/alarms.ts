/** What an operator is alerted of: failures, refusals, throttling, slowness, keys that end. */

import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import type { GraphqlApi } from 'aws-cdk-lib/aws-appsync';
import type * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import type * as lambda from 'aws-cdk-lib/aws-lambda';
import type * as logs from 'aws-cdk-lib/aws-logs';
import * as sns from 'aws-cdk-lib/aws-sns';
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import { Construct } from 'constructs';

import { logged, ofApi, period, pollingShare, subscriptionErrors, throttled } from './metrics';
import { KeyReminder } from './reminder';
import type { Settings } from './settings';
import { named } from './stage';

/** Milliseconds within which 95 of 100 requests should be answered (docs/compatibility.md, On AWS). */
const SLOW_MS = 500;
/** Refusals in five minutes: half a class. A single client that tries again stays below. */
const MANY_REFUSALS = 20;
/** Of a hundred members: one school in five blocks WebSockets, or AppSync's do not work. */
const MANY_POLLING = 20;

export interface Watched {
  table: dynamodb.Table;
  function: lambda.Function;
  log: logs.LogGroup;
  api: GraphqlApi;
}

export class MeshAlarms extends Construct {
  constructor(scope: Construct, private readonly settings: Settings, { table, function: fn, log, api }: Watched) {
    super(scope, 'Alarms');
    const { errors, fallbacks } = logged(this, settings.stage, log);
    const all = [
      this.alarm('LambdaErrors', 'The function fails', fn.metricErrors({ period }), 1),
      this.alarm('Failures', 'The function logs failures: its table fails it', errors, 1),
      this.alarm('LambdaThrottles', 'More calls than the function may answer at once', fn.metricThrottles({ period }), 1),
      this.alarm('TableThrottles', 'The table turns requests away', throttled(table), 1),
      this.alarm('ApiErrors', 'AppSync itself fails', ofApi(api, '5XXError', 'Sum'), 1),
      this.alarm('ApiRefusals', 'AppSync refuses requests: their key ended, or they are malformed', ofApi(api, '4XXError', 'Sum'), MANY_REFUSALS),
      // Three spans of five minutes: a few cold starts are no news.
      this.alarm('ApiLatency', `5 of 100 requests take ${SLOW_MS} ms or more`, ofApi(api, 'Latency', 'p95'), SLOW_MS, 3),
      this.alarm('SubscriptionErrors', "AppSync's WebSockets fail", subscriptionErrors(api, 'Server'), 1),
      this.alarm('SubscriptionRefusals', 'AppSync refuses connections, subscriptions or messages', subscriptionErrors(api, 'Client'), MANY_REFUSALS),
      this.alarm('PollingShare', `${MANY_POLLING} of 100 members poll: a network blocks WebSockets`, pollingShare(api, fallbacks), MANY_POLLING),
    ];
    if (!settings.alarmEmail) return;
    const topic = new sns.Topic(this, 'Topic', { topicName: named('MeshV2-Alarms', settings.stage) });
    topic.addSubscription(new EmailSubscription(settings.alarmEmail));
    for (const alarm of all) {
      alarm.addAlarmAction(new SnsAction(topic));
      alarm.addOkAction(new SnsAction(topic));
    }
    new KeyReminder(this, settings, topic);
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
}
