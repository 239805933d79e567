/** The server's secrets: the container gets them from Secrets Manager when it starts. */

import { RemovalPolicy } from 'aws-cdk-lib';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import { type ISecret, Secret } from 'aws-cdk-lib/aws-secretsmanager';
import type { Construct } from 'constructs';

import { named } from '../stage';
import type { ServerSettings } from './settings';

export type ServerSecrets = Record<string, ecs.Secret>;

/** The name of the secret with the API keys. */
export function keysName({ stage, apiKeysSecret }: ServerSettings): string {
  return apiKeysSecret ?? named('MeshV2-ServerApiKeys', stage);
}

export function serverSecrets(scope: Construct, settings: ServerSettings): ServerSecrets {
  const { stage, secretName, apiKeysSecret, namedKeysSecret } = settings;
  const there = (id: string, name: string): ISecret => Secret.fromSecretNameV2(scope, id, name);
  const make = (id: string, name: string, description: string, passwordLength: number): ISecret =>
    new Secret(scope, id, {
      secretName: name,
      description,
      generateSecretString: { passwordLength, excludePunctuation: true },
      removalPolicy: stage === 'prod' ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
    });
  const secret = secretName
    ? there('Secret', secretName)
    : make('Secret', named('MeshV2-ServerSecretKey', stage), 'MESH_SECRET_KEY of Mesh v2: anyone who has it can compute domains', 64);
  const keys = apiKeysSecret
    ? there('ApiKeys', apiKeysSecret)
    : make('ApiKeys', keysName(settings), 'MESH_API_KEYS of Mesh v2, separated by commas: every client has one', 48);
  const found: ServerSecrets = {
    MESH_SECRET_KEY: ecs.Secret.fromSecretsManager(secret),
    MESH_API_KEYS: ecs.Secret.fromSecretsManager(keys),
  };
  if (namedKeysSecret) {
    found.MESH_NAMED_KEYS = ecs.Secret.fromSecretsManager(there('NamedKeys', namedKeysSecret));
  }
  return found;
}
