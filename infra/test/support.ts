/** What several tests need: a stage's template, the built server, commands. */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { App } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';

import { settings } from '../lib/settings';
import { STAGES, type Stage, envFileOf } from '../lib/stage';
import { type MeshStack, addStage } from '../lib/stack';

export const root = join(__dirname, '../..');
export const infra = join(root, 'infra');
export { STAGES };

export type Json = Record<string, any>;

/** The settings of a stage by the project's own file for it, without a custom domain. */
export function settingsOf(stage: Stage, more: Record<string, string> = {}) {
  const environment = {
    MESH_ENV_FILE: join(root, envFileOf(stage)),
    APPSYNC_CUSTOM_DOMAIN: 'false',
    ...more,
  };
  return settings(environment, root);
}

/** The stage's stack in an app of its own. */
export function stackOf(stage: Stage, more: Record<string, string> = {}): MeshStack {
  const app = new App({ analyticsReporting: false });
  const program = { folder: join(infra, 'placeholder'), placeholder: false };
  return addStage(app, { settings: settingsOf(stage, more), program, root });
}

/** The stage's template as CDK's assertions take it. */
export function templateOf(stage: Stage, more: Record<string, string> = {}): Template {
  return Template.fromStack(stackOf(stage, more));
}

/** The only resource of a kind. */
export function only(template: Template, type: string): Json {
  const found = Object.values(template.findResources(type)) as Json[];
  if (found.length !== 1) throw new Error(`${found.length} resources of type ${type}`);
  return found[0]!;
}

/** An environment without credentials, settings or anything else of this machine's. */
export function bare(more: Record<string, string> = {}): Record<string, string> {
  const { PATH = '', HOME = '' } = process.env;
  return { PATH, HOME, CI: 'true', CDK_DISABLE_CLI_TELEMETRY: 'true', ...more };
}

/** A folder that is gone after `use`. */
export async function inScratch<T>(use: (folder: string) => Promise<T> | T): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'mesh-infra-'));
  try {
    return await use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The server's program: MESH_BIN, else the one that was built. */
export function meshV2(): string {
  const asked = process.env.MESH_BIN;
  const built = ['release', 'debug'].map((kind) => join(root, `target/${kind}/mesh-v2`));
  const found = (asked ? [asked] : built).find(existsSync);
  if (!found) {
    throw new Error(`no program at ${asked ?? built.join(' or ')}: cargo build, or set MESH_BIN`);
  }
  return found;
}

/** A stage on this machine, in memory. */
export async function serving<T>(use: (endpoint: string, key: string) => Promise<T>): Promise<T> {
  return inScratch(async (folder) => {
    const args = ['serve', '--store', 'memory', '--listen', '127.0.0.1:0', '--log', 'error'];
    const server = spawn(meshV2(), args, { cwd: folder, env: bare(), stdio: ['ignore', 'pipe', 'inherit'] });
    try {
      const said = await greeting(server);
      const endpoint = /endpoint\s+(\S+)/.exec(said)![1]!;
      const key = /API key\s+(\S+)/.exec(said)![1]!;
      return await use(endpoint, key);
    } finally {
      server.kill();
    }
  });
}

function greeting(server: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = '';
    server.stdout!.on('data', (bytes) => {
      said += bytes;
      if (/API key\s+\S+/.test(said)) resolve(said);
    });
    server.on('exit', (code) => reject(new Error(`the server ended with ${code}: ${said}`)));
    server.on('error', reject);
  });
}

/** Runs a command line as a user would, in a folder. */
export function shell(command: string, cwd: string, env: Record<string, string>) {
  const ran = spawnSync('bash', ['-euo', 'pipefail', '-c', command], {
    cwd,
    env,
    encoding: 'utf8',
    timeout: 240_000,
  });
  return { code: ran.status, out: ran.stdout, err: ran.stderr, all: ran.stdout + ran.stderr };
}
