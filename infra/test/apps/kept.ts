/** A stack of nothing but what kept.ts adds to it: it needs no bootstrap and no files. */

import { join } from 'node:path';

import { App, CfnResource, LegacyStackSynthesizer, Stack } from 'aws-cdk-lib';

import { keep } from '../../lib/kept';
import { settings } from '../../lib/settings';

const app = new App();
const stack = new Stack(app, 'MeshV2Stack-stg', {
  synthesizer: new LegacyStackSynthesizer(),
  env: { account: '123456789012', region: 'ap-northeast-1' },
});
new CfnResource(stack, 'Something', { type: 'AWS::CloudFormation::WaitConditionHandle' });
keep(stack, settings(process.env, join(__dirname, '../../..')));
