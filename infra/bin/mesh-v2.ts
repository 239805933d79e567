/** The CDK app: one environment, chosen by `.env`, of one kind, chosen by `-c on=` (docs/deployment.md). */

import { join } from 'node:path';

import { App } from 'aws-cdk-lib';

import { program } from '../lib/program';
import { addServer } from '../lib/server/stack';
import { serverSettings } from '../lib/server/settings';
import { settings } from '../lib/settings';
import { BadSetting } from '../lib/sources';
import { addStage } from '../lib/stack';

const root = join(__dirname, '../..');

const say = (notes: string[]) => {
  for (const note of notes) console.error(`mesh-v2: ${note}`);
};

/** AppSync in front of a function. */
function appsync(app: App, stage?: string): void {
  const checked = settings(process.env, root, stage);
  say(checked.notes);
  addStage(app, { settings: checked, program: program(root, checked.programFolder), root });
}

/** Our own server. */
function server(app: App, stage?: string): void {
  const checked = serverSettings(process.env, root, stage);
  say(checked.notes);
  addServer(app, checked, root);
}

const KINDS: Record<string, (app: App, stage?: string) => void> = { appsync, server };

try {
  const app = new App();
  const on = app.node.tryGetContext('on') ?? 'appsync';
  const add = Object.hasOwn(KINDS, on) ? KINDS[on] : undefined;
  if (!add) throw new BadSetting(`-c on= is appsync or server, not "${on}"`);
  add(app, app.node.tryGetContext('stage'));
  app.synth();
} catch (error) {
  if (!(error instanceof BadSetting)) throw error;
  console.error(`mesh-v2: ${error.message}`);
  process.exitCode = 1;
}
