/** What an operator of the server is alerted of. */

import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import type * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import * as elb from 'aws-cdk-lib/aws-elasticloadbalancingv2';
import * as sns from 'aws-cdk-lib/aws-sns';
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import { Construct } from 'constructs';

import { FEWEST_MEMBERS, JOINING, logged, period, throttled } from '../metrics';
import { named } from '../stage';
import type { MeshBalancer } from './balancer';
import type { MeshService } from './service';
import type { ServerSettings } from './settings';

/** Percent of the task from which lessons may become slow. */
const BUSY = 80;

type Watched = { table: dynamodb.Table; service: MeshService; balancer: MeshBalancer };

export class ServerAlarms extends Construct {
  constructor(scope: Construct, private readonly settings: ServerSettings, { table, service, balancer }: Watched) {
    super(scope, 'Alarms');
    const { made: task } = service;
    const { errors: failures, fallbacks } = logged(this, settings.stage, service.log, 'Server');
    const errors = balancer.targets.metrics.httpCodeTarget(elb.HttpCodeTarget.TARGET_5XX_COUNT, { period });
    const all = [
      this.alarm('ServerDown', 'No server answers', healthy(balancer), 1, { below: true }),
      this.alarm('ServerErrors', 'The server answers with 5xx', errors, 1),
      this.alarm('ServerFailures', 'The server logs failures: its table fails it', failures, 1),
      this.alarm('ServerCpu', `The server uses ${BUSY} % of its processor time`, task.metricCpuUtilization({ period }), BUSY),
      this.alarm('ServerMemory', `The server uses ${BUSY} % of its memory`, task.metricMemoryUtilization({ period }), BUSY),
      this.alarm('ServerTableThrottles', 'The table turns requests away', throttled(table), 1),
      // AWS does not count subscriptions here, so this is no share: a class that polls, of whatever size a school has.
      this.alarm('ServerPolling', `${FEWEST_MEMBERS} members poll: a network blocks WebSockets`, fallbacks.with({ period: JOINING }), FEWEST_MEMBERS),
    ];
    if (!settings.alarmEmail) return;
    const topic = new sns.Topic(this, 'Topic', { topicName: named('MeshV2-ServerAlarms', settings.stage) });
    topic.addSubscription(new EmailSubscription(settings.alarmEmail));
    for (const alarm of all) {
      alarm.addAlarmAction(new SnsAction(topic));
      alarm.addOkAction(new SnsAction(topic));
    }
  }

  private alarm(name: string, sentence: string, metric: cloudwatch.IMetric, threshold: number, { below = false } = {}) {
    const { GREATER_THAN_OR_EQUAL_TO_THRESHOLD, LESS_THAN_THRESHOLD } = cloudwatch.ComparisonOperator;
    const { BREACHING, NOT_BREACHING } = cloudwatch.TreatMissingData;
    return new cloudwatch.Alarm(this, name, {
      alarmName: named(`MeshV2-${name}`, this.settings.stage),
      alarmDescription: `${sentence} (docs/deployment.md, Our server on AWS)`,
      metric,
      threshold,
      evaluationPeriods: 1,
      comparisonOperator: below ? LESS_THAN_THRESHOLD : GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
      treatMissingData: below ? BREACHING : NOT_BREACHING,
    });
  }
}

/** Most of five minutes: a deploy takes about one, in which no server answers. */
function healthy({ targets }: MeshBalancer): cloudwatch.Metric {
  return targets.metrics.healthyHostCount({ period, statistic: 'Maximum' });
}
