/** Mails that the API keys end, a month before and each week until then. */

import { Duration } from 'aws-cdk-lib';
import { Schedule, ScheduleExpression, ScheduleTargetInput } from 'aws-cdk-lib/aws-scheduler';
import { SnsPublish } from 'aws-cdk-lib/aws-scheduler-targets';
import type * as sns from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';

import { keyEnd, reminderStart } from './keys';
import type { Settings } from './settings';
import { named } from './stage';

export class KeyReminder extends Construct {
  constructor(scope: Construct, { stage }: Settings, topic: sns.ITopic) {
    super(scope, 'KeyReminder');
    const end = keyEnd();
    const sentence =
      `The API keys of Mesh v2, environment ${stage}, end on ${end.toISOString().slice(0, 10)}. ` +
      'Deploy before that day: it makes them good for another 365 days (docs/deployment.md, The API key).';
    new Schedule(this, 'Resource', {
      scheduleName: named('MeshV2-KeyEnds', stage),
      description: 'Mails that the API keys end; each deploy moves it',
      schedule: ScheduleExpression.rate(Duration.days(7)),
      start: reminderStart(),
      end,
      target: new SnsPublish(topic, { input: ScheduleTargetInput.fromText(sentence), retryAttempts: 3 }),
    });
  }
}
