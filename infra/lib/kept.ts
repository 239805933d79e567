/**
 * What an environment must not lose by an oversight. The template has each of these values as a
 * parameter with a rule that it equals the settings. A deploy keeps a parameter's deployed value,
 * so CloudFormation refuses a change that the operator did not ask for, from any shell.
 */

import { CfnParameter, CfnRule, Fn, type Stack } from 'aws-cdk-lib';

import type { Settings } from './settings';

/** A value that stays until an operator changes it on purpose. */
export interface Kept {
  name: string;
  what: string;
  setting: string;
  value: string;
}

export const NONE = 'none';

function kept({ domain, secretName, userPoolId, oidc, iam, keys, program }: Settings): Kept[] {
  const of = (name: string, what: string, setting: string, value = NONE) => ({ name, what, setting, value });
  return [
    of('Domain', 'custom domain', 'APPSYNC_CUSTOM_DOMAIN', domain?.name),
    of('DomainKey', 'secret of all domains', 'MESH_SECRET_NAME', secretName ?? 'own'),
    of('UserPool', 'user pool', 'APPSYNC_USER_POOL_ID', userPoolId),
    of('OidcIssuer', 'sign-in service', 'APPSYNC_OIDC_ISSUER', oidc?.issuer),
    of('OidcClients', "list of the sign-in service's clients", 'APPSYNC_OIDC_CLIENT_IDS', oidc?.clientIds.join(',')),
    of('Iam', 'switch for callers with AWS credentials', 'APPSYNC_IAM', String(iam)),
    of('Keys', 'list of good API keys', 'APPSYNC_KEYS', keys.join(',')),
    policyKept(program),
  ];
}

/** Whom groups admit; the program's own default counts as a value. */
export function policyKept({ MESH_POLICY = 'open' }: Record<string, string>): Kept {
  return { name: 'Policy', what: 'policy of groups', setting: 'MESH_POLICY', value: MESH_POLICY };
}

/** Has CloudFormation refuse a template that would change one of AppSync's. */
export function keep(stack: Stack, settings: Settings): void {
  keepThese(stack, kept(settings));
}

/** The same for any values; `more` is what else the command needs that changes one. */
export function keepThese(stack: Stack, values: Kept[], more = ''): void {
  for (const { name, what, setting, value } of values) {
    const parameter = new CfnParameter(stack, `Kept${name}`, {
      default: value,
      description: `The ${what} of the last deploy (docs/deployment.md)`,
    });
    const change = `npx cdk deploy --all${more} --parameters ${stack.stackName}:Kept${name}=${value}`;
    new CfnRule(stack, `${name}IsKept`, {
      assertions: [
        {
          assert: Fn.conditionEquals(parameter.valueAsString, value),
          assertDescription:
            `This would make "${value}" the ${what}, which is another than before. ` +
            `If that is no intent, correct ${setting} in the settings file. If it is: ${change}`,
        },
      ],
    });
  }
}
