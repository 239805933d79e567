/** The settings of the stack, checked. */

import { type Operations, operations } from './operations';
import { BadSetting, Sources } from './sources';
import { STAGES, type Stage, envFileOf, stageOf } from './stage';

/** Settings of the program that the function is given, if they are set. */
export const PROGRAM_SETTINGS = [
  'MESH_HOST_HEARTBEAT_INTERVAL_SECONDS',
  'MESH_HOST_HEARTBEAT_TTL_SECONDS',
  'MESH_MEMBER_HEARTBEAT_INTERVAL_SECONDS',
  'MESH_MEMBER_HEARTBEAT_TTL_SECONDS',
  'MESH_DEFAULT_CONNECTION_TIME_SECONDS',
  'MESH_MAX_CONNECTION_TIME_SECONDS',
  'MESH_EVENT_TTL_SECONDS',
  'MESH_POLLING_INTERVAL_SECONDS',
  'MESH_NEXT_SINCE',
  'MESH_POLICY',
  'MESH_APPSYNC_HOPS',
  'MESH_LOG',
  'MESH_MAX_ANSWER_BYTES',
  'MESH_MAX_GROUPS',
  'MESH_MAX_GROUPS_PER_DOMAIN',
  'MESH_MAX_GROUPS_PER_ADDRESS',
  'MESH_MAX_NODES_PER_GROUP',
  'MESH_MAX_REPORTERS_PER_GROUP',
  'MESH_MAX_KEYS_PER_NODE',
  'MESH_MAX_STATUS_BYTES',
  'MESH_MAX_STATUS_BYTES_PER_GROUP',
  'MESH_MAX_EVENTS_PER_CALL',
  'MESH_MAX_CALLS_PER_GROUP',
  'MESH_MAX_EVENT_BYTES_PER_GROUP',
  'MESH_MAX_ENDED_GROUPS',
  'MESH_DYNAMODB_ATTEMPTS',
  'MESH_DYNAMODB_CONNECT_MS',
  'MESH_DYNAMODB_ATTEMPT_MS',
  'MESH_DYNAMODB_REQUEST_MS',
  'MESH_DYNAMODB_CONNECTIONS',
  'MESH_DYNAMODB_RACES',
  'MESH_DYNAMODB_REMEMBER_MS',
] as const;

/** Those of the function alone: its metrics, and how it pushes (docs/monitoring.md, docs/deployment.md). */
export const FUNCTION_SETTINGS = [
  'MESH_LAMBDA_METRICS_SECONDS',
  'MESH_APPSYNC_ATTEMPTS',
  'MESH_APPSYNC_ATTEMPT_MS',
  'MESH_APPSYNC_MESSAGE_MS',
] as const;

/** Those that are no whole number. */
const WORDS: string[] = ['MESH_NEXT_SINCE', 'MESH_POLICY', 'MESH_LOG'];

/** A name of one's own for the API, and what it needs. */
export interface CustomDomain {
  name: string;
  zoneName: string;
  /** Without it the zone is looked up, which needs credentials. */
  zoneId?: string;
  /** A certificate in us-east-1; without it one is made. */
  certificateArn?: string;
}

/** An OpenID Connect service. */
export interface OidcIssuer {
  issuer: string;
  /** The clients that its tokens are made for. */
  clientIds: string[];
}

export interface Settings extends Operations {
  stage: Stage;
  region: string;
  account?: string;
  /** The program's settings. */
  program: Record<string, string>;
  domain?: CustomDomain;
  /** Whether callers with AWS credentials are let in as well. */
  iam: boolean;
  /** Whether the function pushes recorded events and groups' ends to subscribers. */
  push: boolean;
  /** Minutes between two runs of its schedule, which ends groups. */
  reapMinutes: number;
  /** The Cognito user pool whose users are let in as well. */
  userPoolId?: string;
  /** The OpenID Connect service whose users are let in as well. */
  oidc?: OidcIssuer;
  /** A secret in Secrets Manager that is there already; without it one is made. */
  secretName?: string;
  /** The folder with the built program. */
  programFolder?: string;
  /** Notes for the operator. */
  notes: string[];
}

/** Checks what was set. `askedStage` is the command line's `-c stage=`. */
export function settings(
  environment: Record<string, string | undefined>,
  root: string,
  askedStage?: string,
): Settings {
  const from = new Sources(environment, root);
  const stage = stageSetting(from, environment.STAGE, askedStage);
  const found: Settings = {
    stage,
    region: from.ofThisShell('AWS_REGION') ?? 'ap-northeast-1',
    account: from.ofThisShell('AWS_ACCOUNT_ID') ?? environment.CDK_DEFAULT_ACCOUNT,
    program: programSettings(from),
    domain: domainSetting(from, stage),
    iam: from.is('APPSYNC_IAM'),
    push: from.is('APPSYNC_PUSH', true),
    reapMinutes: Number(from.get('APPSYNC_REAP_MINUTES') ?? '1'),
    userPoolId: from.get('APPSYNC_USER_POOL_ID'),
    oidc: oidcSetting(from),
    ...operations(from, stage),
    secretName: from.get('MESH_SECRET_NAME'),
    programFolder: from.ofThisShell('MESH_LAMBDA_FOLDER'),
    notes: from.notes,
  };
  checkForms(found);
  from.noteUnfiled();
  return found;
}

export function stageSetting(from: Sources, inEnvironment?: string, asked?: string): Stage {
  const filed = from.inFile('STAGE');
  const [said, by] = filed
    ? [filed, from.fileName]
    : asked
      ? [asked, '-c stage=']
      : [inEnvironment || 'stg', 'STAGE'];
  const stage = stageOf(said);
  if (!stage) {
    throw new BadSetting(`the environments are ${STAGES.join(', ')}: ${by} says "${said}"`);
  }
  const others = [
    [asked, `-c stage=${asked}`],
    [inEnvironment, `STAGE=${inEnvironment} in the environment`],
  ] as const;
  for (const [other, shown] of others) {
    if (filed && other && stageOf(other) !== stage) {
      const link = `ln -sf ${envFileOf(stageOf(other) ?? stage)} .env`;
      from.overruled('STAGE', filed, shown, `switch the link in the project's folder (${link})`);
    }
  }
  return stage;
}

function programSettings(from: Sources): Record<string, string> {
  const program: Record<string, string> = {};
  for (const name of [...PROGRAM_SETTINGS, ...FUNCTION_SETTINGS]) {
    const value = programSetting(from, name);
    if (value !== undefined) program[name] = value;
  }
  const ours: string[] = [...PROGRAM_SETTINGS, ...FUNCTION_SETTINGS, 'MESH_SECRET_NAME', 'MESH_LAMBDA_FOLDER'];
  for (const name of from.namesInFile()) {
    if (name.startsWith('MESH_') && !ours.includes(name)) {
      from.notes.push(`${from.fileName} sets ${name}, which the stack does not use.`);
    }
  }
  return program;
}

export function programSetting(from: Sources, name: string): string | undefined {
  const value = from.get(name);
  if (value !== undefined && !WORDS.includes(name) && !/^\d{1,9}$/.test(value)) {
    throw new BadSetting(`${name} must be a whole number, not "${value}"`);
  }
  return value;
}

function oidcSetting(from: Sources): OidcIssuer | undefined {
  const issuer = from.get('APPSYNC_OIDC_ISSUER');
  const clients = from.get('APPSYNC_OIDC_CLIENT_IDS');
  if (!issuer && !clients) return undefined;
  if (!issuer || !/^https:\/\/[^\s/]+[^\s]*$/.test(issuer)) {
    throw new BadSetting(
      `APPSYNC_OIDC_ISSUER is the issuer of the tokens, such as https://sign-in.example, not "${issuer ?? ''}"`,
    );
  }
  const clientIds = (clients ?? '').split(',').map((id) => id.trim()).filter((id) => id);
  // Without one, AppSync would take what the service makes for anyone's programs.
  if (clientIds.length === 0) {
    throw new BadSetting('APPSYNC_OIDC_ISSUER needs APPSYNC_OIDC_CLIENT_IDS: whom its tokens are made for');
  }
  return { issuer, clientIds };
}

function domainSetting(from: Sources, stage: Stage): CustomDomain | undefined {
  const asked = from.get('APPSYNC_CUSTOM_DOMAIN');
  if (asked === 'false') return undefined;
  const usual = 'graphql.api.smalruby.app';
  return {
    name: asked ?? (stage === 'prod' ? usual : `${stage}.${usual}`),
    zoneName: from.get('ROUTE53_PARENT_ZONE_NAME') ?? 'api.smalruby.app',
    zoneId: from.get('ROUTE53_PARENT_ZONE_ID'),
    certificateArn: from.get('APPSYNC_CERTIFICATE_ARN'),
  };
}

function checkForms({ domain, userPoolId, account, region, reapMinutes }: Settings): void {
  const must = (holds: boolean, sentence: string) => {
    if (!holds) throw new BadSetting(sentence);
  };
  must(/^[a-z]{2}(-[a-z]+)+-\d$/.test(region), `AWS_REGION is no region: "${region}"`);
  must(!account || /^\d{12}$/.test(account), `an AWS account has twelve digits: "${account}"`);
  must(
    !userPoolId || /^[a-z]{2}(-[a-z]+)+-\d_[A-Za-z0-9]+$/.test(userPoolId),
    `APPSYNC_USER_POOL_ID looks like ap-northeast-1_AbCdEfGhI, not like "${userPoolId}"`,
  );
  must(
    Number.isInteger(reapMinutes) && reapMinutes >= 1 && reapMinutes <= 60,
    'APPSYNC_REAP_MINUTES is a whole number of minutes from 1 to 60',
  );
  if (!domain) return;
  must(
    domain.name.endsWith(`.${domain.zoneName}`),
    `the custom domain ${domain.name} is not in the zone ${domain.zoneName}: set ` +
      'ROUTE53_PARENT_ZONE_NAME, or APPSYNC_CUSTOM_DOMAIN=false to do without',
  );
  must(
    !domain.certificateArn || domain.certificateArn.startsWith('arn:aws:acm:us-east-1:'),
    'APPSYNC_CERTIFICATE_ARN must be of a certificate in us-east-1: AppSync takes no other',
  );
  must(
    !!domain.zoneId || !!account,
    `the custom domain ${domain.name} needs AWS credentials, to look up the zone ` +
      `${domain.zoneName}, or its id in ROUTE53_PARENT_ZONE_ID; ` +
      'APPSYNC_CUSTOM_DOMAIN=false does without a custom domain',
  );
}
