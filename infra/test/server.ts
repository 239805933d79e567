/** What the tests of the server's stack need: its template, and what its container is given. */

import { join } from 'node:path';

import { App } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';

import { serverSettings } from '../lib/server/settings';
import { addServer } from '../lib/server/stack';
import { type Stage, envFileOf } from '../lib/stage';
import { type Json, only, root } from './support';

export const DOMAIN = {
  SERVER_DOMAIN: 'mesh.school.example',
  ROUTE53_PARENT_ZONE_NAME: 'school.example',
  ROUTE53_PARENT_ZONE_ID: 'Z0123456789',
};
const IMAGE = { SERVER_IMAGE: 'registry.example/mesh-v2:1' };

/** The server's stack, with an image of a registry, so that none is prepared. */
export function serverStack(stage: Stage, more: Record<string, string> = {}) {
  const environment = { MESH_ENV_FILE: join(root, envFileOf(stage)), ...DOMAIN, ...IMAGE, ...more };
  const app = new App({ analyticsReporting: false });
  return addServer(app, serverSettings(environment, root), root);
}

export function serverTemplate(stage: Stage, more: Record<string, string> = {}): Template {
  return Template.fromStack(serverStack(stage, more));
}

export const container = (template: Template): Json => only(template, 'AWS::ECS::TaskDefinition').Properties.ContainerDefinitions[0];
export const variables = (template: Template): Map<string, any> =>
  new Map(container(template).Environment.map(({ Name, Value }: Json) => [Name, Value]));
