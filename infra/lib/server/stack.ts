/** Our own server on AWS: a load balancer in front, one task behind it, one table under it. */

import { type App, CfnOutput, Fn, Stack, type StackProps, Tags } from 'aws-cdk-lib';

import { type Kept, NONE, keepThese, policyKept } from '../kept';
import { named } from '../stage';
import { table } from '../table';
import { ServerAlarms } from './alarms';
import { MeshBalancer } from './balancer';
import { network } from './network';
import { keysName, serverSecrets } from './secrets';
import { MeshService } from './service';
import type { ServerSettings } from './settings';

export class ServerStack extends Stack {
  constructor(scope: App, id: string, settings: ServerSettings, root: string, props: StackProps) {
    super(scope, id, props);
    // Beside AppSync's, so that both can stand in one environment.
    const records = table(this, settings.stage, 'MeshV2ServerTable');
    const vpc = network(this);
    const secrets = serverSecrets(this, settings);
    const service = new MeshService(this, settings, root, { network: vpc, table: records, secrets });
    const balancer = new MeshBalancer(this, settings, vpc, service.made);
    new ServerAlarms(this, settings, { table: records, service, balancer });

    keepThese(this, kept(settings), ' -c on=server');

    const url = `https://${settings.domain.name}`;
    this.say('ServerUrl', `${url}/`, 'The front page');
    this.say('ServerEndpoint', `${url}/graphql`, 'Where clients ask');
    this.say('ServerApiKeys', keysName(settings), 'The secret with the API keys');
    this.say('ServerBalancer', balancer.made.loadBalancerDnsName, 'What the name leads to');
    this.say('ServerTable', records.tableName, 'The table');
    this.say('ServerLog', service.log.logGroupName, "The server's log");
    this.say('ServerName', service.made.serviceName, 'The cluster and the service');
  }

  /** The first two of the region: naming them would take credentials. */
  override get availabilityZones(): string[] {
    return [0, 1].map((at) => Fn.select(at, Fn.getAzs()));
  }

  private say(name: string, value: string, description: string): void {
    new CfnOutput(this, name, { value, description });
  }
}

/** What a deploy from another shell must not change. */
function kept({ domain, secretName, apiKeysSecret, namedKeysSecret, program }: ServerSettings): Kept[] {
  const of = (name: string, what: string, setting: string, value: string) => ({ name, what, setting, value });
  return [
    of('Domain', 'name of the server', 'SERVER_DOMAIN', domain.name),
    of('DomainKey', 'secret of all domains', 'MESH_SECRET_NAME', secretName ?? 'own'),
    of('ApiKeys', 'secret with the API keys', 'SERVER_API_KEYS_SECRET', apiKeysSecret ?? 'own'),
    of('NamedKeys', "secret with the teachers' keys", 'SERVER_NAMED_KEYS_SECRET', namedKeysSecret ?? NONE),
    policyKept(program),
  ];
}

/** The server of an environment. */
export function addServer(app: App, settings: ServerSettings, root: string): ServerStack {
  const { stage, account, region } = settings;
  const stack = new ServerStack(app, named('MeshV2ServerStack', stage), settings, root, {
    description: `Mesh v2, our own server, environment ${stage}`,
    env: { account, region },
    terminationProtection: stage === 'prod',
  });
  const tags = { Project: 'MeshV2', Stage: stage, Service: 'Server', ManagedBy: 'CDK' };
  for (const [key, value] of Object.entries(tags)) Tags.of(app).add(key, value);
  return stack;
}
