/** The settings of the stack with our own server, checked. */

import { BadSetting, Sources } from '../sources';
import { PROGRAM_SETTINGS, programSetting, stageSetting } from '../settings';
import type { Stage } from '../stage';

/** What the stack sets itself, and what a container with a table has no use for. */
const NOT_FOR_THE_FILE =
  /^MESH_(LISTEN|STORE|DATA|DURABILITY|ERASE_AFTER|DISK_TIMEOUT_SECONDS|TRUSTED_PROXIES|METRICS_LISTEN|TLS_\w+|PUBLIC\w*|KEYS_FILE|ENV_FILE)$/;
/** Secrets: they are in Secrets Manager, never in a file of the project. */
const SECRETS = /^MESH_(SECRET_KEY|API_KEYS|NAMED_KEYS)$/;
/** The stacks' own. */
const OF_THE_STACKS = /^MESH_(SECRET_NAME|LAMBDA_\w+|APPSYNC_\w+)$/;

/** Fargate kills a task 120 s after SIGTERM; ten of them are for what follows the drain. */
const LONGEST_DRAIN = 110;
/** Seconds after which the load balancer closes a quiet connection. */
export const BALANCER_IDLE = 60;

/** Processor units (1024 are a processor) and the megabytes that Fargate sells with them. */
const SIZES: Record<string, number[]> = {
  256: [512, 1024, 2048],
  512: [1024, 2048, 3072, 4096],
  1024: [2048, 3072, 4096, 5120, 6144, 7168, 8192],
};

/** The name that clients call, and what it needs. */
export interface ServerDomain {
  name: string;
  /** Route 53's zone; without it, the name's record is made by hand. */
  zone?: { zoneName: string; zoneId?: string };
  /** A certificate in the stack's region; without it one is made. */
  certificateArn?: string;
}

export interface ServerSettings {
  stage: Stage;
  region: string;
  account?: string;
  domain: ServerDomain;
  /** The program's settings. */
  program: Record<string, string>;
  cpu: number;
  /** Megabytes. */
  memory: number;
  /** An image in a registry; without it, one is built from the project. */
  image?: string;
  /** Secrets in Secrets Manager that are there already; without the first two, they are made. */
  secretName?: string;
  apiKeysSecret?: string;
  /** The lines of a file of named keys, such as those of teachers. */
  namedKeysSecret?: string;
  /** Where alarms are mailed. */
  alarmEmail?: string;
  /** Notes for the operator. */
  notes: string[];
}

/** Checks what was set. `askedStage` is the command line's `-c stage=`. */
export function serverSettings(
  environment: Record<string, string | undefined>,
  root: string,
  askedStage?: string,
): ServerSettings {
  const from = new Sources(environment, root);
  const region = from.ofThisShell('AWS_REGION') ?? 'ap-northeast-1';
  const account = from.ofThisShell('AWS_ACCOUNT_ID') ?? environment.CDK_DEFAULT_ACCOUNT;
  const domain = domainSetting(from, region, account);
  const found = {
    stage: stageSetting(from, environment.STAGE, askedStage),
    region,
    account,
    domain,
    program: program(from, domain),
    ...size(from),
    image: from.get('SERVER_IMAGE'),
    secretName: from.get('MESH_SECRET_NAME'),
    apiKeysSecret: from.get('SERVER_API_KEYS_SECRET'),
    namedKeysSecret: from.get('SERVER_NAMED_KEYS_SECRET'),
    alarmEmail: from.get('ALARM_EMAIL'),
    notes: from.notes,
  };
  from.noteUnfiled();
  return found;
}

/** The settings of the file that the container is given; the times may be in the environment too. */
function program(from: Sources, domain: ServerDomain): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of PROGRAM_SETTINGS) {
    const value = programSetting(from, name);
    if (value !== undefined) found[name] = value;
  }
  for (const name of from.namesInFile()) {
    const value = from.inFile(name);
    if (!name.startsWith('MESH_') || value === undefined || OF_THE_STACKS.test(name)) continue;
    if (SECRETS.test(name)) {
      from.notes.push(`${from.fileName} sets ${name}, a secret, which is not used: Secrets Manager has it.`);
    } else if (NOT_FOR_THE_FILE.test(name)) {
      from.notes.push(`${from.fileName} sets ${name}, which the stack does not use.`);
    } else {
      found[name] = value;
    }
  }
  const [drain, idle] = [Number(found.MESH_DRAIN_SECONDS ?? 0), Number(found.MESH_IDLE_SECONDS ?? 75)];
  if (!(drain <= LONGEST_DRAIN)) {
    throw new BadSetting(`MESH_DRAIN_SECONDS is at most ${LONGEST_DRAIN} here: Fargate kills what takes longer to end`);
  }
  if (!(idle > BALANCER_IDLE)) {
    throw new BadSetting(`MESH_IDLE_SECONDS must be more than ${BALANCER_IDLE} here: the load balancer must close first`);
  }
  // The server's own pages call as well, from the name that they were opened by.
  if (found.MESH_ALLOWED_ORIGINS) found.MESH_ALLOWED_ORIGINS += `,https://${domain.name}`;
  return found;
}

function size(from: Sources): { cpu: number; memory: number } {
  const cpu = from.get('SERVER_CPU') ?? '256';
  const sold = SIZES[cpu];
  if (!sold) {
    throw new BadSetting(`SERVER_CPU is one of ${Object.keys(SIZES).join(', ')} (1024 are a processor), not "${cpu}"`);
  }
  const memory = from.get('SERVER_MEMORY') ?? String(sold[0]);
  if (!sold.map(String).includes(memory)) {
    throw new BadSetting(`with SERVER_CPU=${cpu}, SERVER_MEMORY is one of ${sold.join(', ')} (megabytes), not "${memory}"`);
  }
  return { cpu: Number(cpu), memory: Number(memory) };
}

function domainSetting(from: Sources, region: string, account?: string): ServerDomain {
  const must = (holds: boolean, sentence: string) => {
    if (!holds) throw new BadSetting(sentence);
  };
  must(/^[a-z]{2}(-[a-z]+)+-\d$/.test(region), `AWS_REGION is no region: "${region}"`);
  must(!account || /^\d{12}$/.test(account), `an AWS account has twelve digits: "${account}"`);
  const name = from.get('SERVER_DOMAIN') ?? '';
  must(
    /^(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$/.test(name),
    `SERVER_DOMAIN is the name that clients call, such as mesh.school.example, not "${name}": ` +
      'browsers call over TLS only, and a certificate needs a name',
  );
  const certificateArn = from.get('SERVER_CERTIFICATE_ARN');
  must(
    !certificateArn || certificateArn.startsWith(`arn:aws:acm:${region}:`),
    `SERVER_CERTIFICATE_ARN must be of a certificate in ${region}, where the load balancer is`,
  );
  const [zoneName, zoneId] = [from.get('ROUTE53_PARENT_ZONE_NAME'), from.get('ROUTE53_PARENT_ZONE_ID')];
  if (!zoneName && !zoneId && certificateArn) return { name, certificateArn };
  must(
    !!zoneName && (name === zoneName || name.endsWith(`.${zoneName}`)),
    `ROUTE53_PARENT_ZONE_NAME is the Route 53 zone that ${name} is in, not "${zoneName ?? ''}"; ` +
      'without a zone there, set SERVER_CERTIFICATE_ARN and make the record of the name yourself',
  );
  must(
    !!zoneId || !!account,
    `looking up the zone ${zoneName} needs AWS credentials: log in, or set its id in ROUTE53_PARENT_ZONE_ID`,
  );
  return { name, zone: { zoneName: zoneName!, zoneId }, certificateArn };
}
