/** The CDK app: one environment, chosen by `.env` (docs/deployment.md). */

import { join } from 'node:path';

import { App } from 'aws-cdk-lib';

import { program } from '../lib/program';
import { settings } from '../lib/settings';
import { BadSetting } from '../lib/sources';
import { addStage } from '../lib/stack';

const root = join(__dirname, '../..');

try {
  const app = new App();
  const checked = settings(process.env, root, app.node.tryGetContext('stage'));
  for (const note of checked.notes) console.error(`mesh-v2: ${note}`);
  addStage(app, { settings: checked, program: program(root, checked.programFolder), root });
  app.synth();
} catch (error) {
  if (!(error instanceof BadSetting)) throw error;
  console.error(`mesh-v2: ${error.message}`);
  process.exitCode = 1;
}
