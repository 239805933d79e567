/** An environment of Mesh v2 on AWS: AppSync in front, one function behind, one table under it. */

import { CfnOutput, CfnRule, Fn, Stack, type StackProps, Tags } from 'aws-cdk-lib';
import type * as acm from 'aws-cdk-lib/aws-certificatemanager';
import { Certificate } from 'aws-cdk-lib/aws-certificatemanager';
import type { App } from 'aws-cdk-lib';

import { MeshAlarms } from './alarms';
import { MeshApi } from './api';
import { CertificateStack, pointTo } from './custom-domain';
import { MeshFunction } from './function';
import { RatePerAddress, budget } from './guards';
import { keep } from './kept';
import { keyEnd } from './keys';
import { schedule } from './push';
import type { Program } from './program';
import type { Settings } from './settings';
import { named } from './stage';
import { table } from './table';

export interface Inputs {
  settings: Settings;
  program: Program;
  /** The project's folder. */
  root: string;
}

export class MeshStack extends Stack {
  constructor(scope: App, id: string, inputs: Inputs, props: StackProps & { certificate?: acm.ICertificate }) {
    super(scope, id, props);
    const { settings, program, root } = inputs;
    const { domain } = settings;
    const certificate = domain?.certificateArn
      ? Certificate.fromCertificateArn(this, 'Certificate', domain.certificateArn)
      : props.certificate;
    const records = table(this, settings.stage);
    const { made: answers, log } = new MeshFunction(this, settings, program, records);
    const { made: api, earlierKeys } = new MeshApi(this, settings, root, answers, certificate);
    if (settings.push) schedule(this, settings, answers);
    new MeshAlarms(this, settings, { table: records, function: answers, log, api });
    if (domain) pointTo(this, api, domain);
    if (settings.wafRate) new RatePerAddress(this, settings, api, settings.wafRate);
    if (settings.budgetUsd) budget(this, settings, settings.budgetUsd, settings.alarmEmail!);
    keep(this, settings);
    if (program.placeholder) this.forbidDeploying();

    this.say('TableName', records.tableName, 'The table');
    this.say('TableArn', records.tableArn, 'Its ARN');
    this.say('GraphQLApiEndpoint', api.graphqlUrl, 'Where clients ask');
    this.say('GraphQLApiKey', api.apiKey!, 'The key they bring');
    for (const { number, value } of earlierKeys) {
      this.say(`GraphQLApiKey${number}`, value, 'An earlier key, for clients that still have it');
    }
    this.say('GraphQLApiKeyEnd', keyEnd().toISOString().slice(0, 10), 'The day on which the keys end');
    this.say('GraphQLApiId', api.apiId, "The API's id");
    if (domain) this.say('CustomDomainUrl', `https://${domain.name}/graphql`, 'The same by name');
  }

  private say(name: string, value: string, description: string): void {
    new CfnOutput(this, name, { value, description });
  }

  /** A rule that never holds: CloudFormation refuses the template before it changes anything. */
  private forbidDeploying(): void {
    new CfnRule(this, 'TheProgramIsNotBuilt', {
      assertions: [
        {
          assert: Fn.conditionEquals(Fn.ref('BootstrapVersion'), 'none'),
          assertDescription:
            'This template was made with MESH_LAMBDA_FOLDER=placeholder: build the program and deploy without it',
        },
      ],
    });
  }
}

/** Everything of an environment: its stack and, for a custom domain, one with the certificate. */
export function addStage(app: App, inputs: Inputs): MeshStack {
  const { stage, account, region, domain } = inputs.settings;
  const tags = { Project: 'MeshV2', Stage: stage, Service: 'AppSync', ManagedBy: 'CDK' };
  const terminationProtection = stage === 'prod';
  let certificate: acm.ICertificate | undefined;
  if (domain && !domain.certificateArn) {
    const env = { account, region: 'us-east-1' };
    const props = { env, terminationProtection };
    ({ certificate } = new CertificateStack(app, named('MeshV2CertificateStack', stage), domain, props));
  }
  const stack = new MeshStack(app, named('MeshV2Stack', stage), inputs, {
    description: `Mesh v2, environment ${stage}`,
    env: { account, region },
    terminationProtection,
    crossRegionReferences: certificate !== undefined,
    certificate,
  });
  for (const [key, value] of Object.entries(tags)) Tags.of(app).add(key, value);
  return stack;
}
