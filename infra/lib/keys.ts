/** The API keys: how long they are good for, and several at once while clients change. */

import { Duration, Expiration } from 'aws-cdk-lib';
import * as appsync from 'aws-cdk-lib/aws-appsync';

import type { Settings } from './settings';
import { named } from './stage';

/** How long a key is good for, from the day of the deploy; AppSync takes no more. */
const KEY_DAYS = 365;
/** How long before the keys end the reminders begin. */
const REMINDER_DAYS = 30;
const DESCRIPTION = 'The key of the Mesh v2 clients';
const DAY_MS = Duration.days(1).toMilliseconds();

/** A key that was handed out earlier. */
export interface EarlierKey {
  number: number;
  value: string;
}

/** The key that is handed out, which is the last of APPSYNC_KEYS. */
export function handedOut(settings: Settings): appsync.ApiKeyConfig {
  return {
    name: nameOf(settings, settings.keys.at(-1)!),
    description: DESCRIPTION,
    expires: Expiration.atDate(keyEnd()),
  };
}

/**
 * The keys before it, which clients still use. Each key has the same logical id wherever it stands
 * in the list, so that handing out another one leaves it as it is.
 */
export function earlierKeys(api: appsync.GraphqlApi, settings: Settings): EarlierKey[] {
  return settings.keys.slice(0, -1).map((number) => {
    const made = new appsync.CfnApiKey(api, `${nameOf(settings, number)}ApiKey`, {
      apiId: api.apiId,
      description: DESCRIPTION,
      expires: Expiration.atDate(keyEnd()).toEpoch(),
    });
    return { number, value: made.attrApiKey };
  });
}

/** To the day, so that a second deploy on one day finds nothing to change. */
export function keyEnd(): Date {
  return new Date((Math.floor(Date.now() / DAY_MS) + KEY_DAYS) * DAY_MS);
}

/** When the reminders begin. */
export function reminderStart(): Date {
  return new Date(keyEnd().getTime() - REMINDER_DAYS * DAY_MS);
}

/** The first one's name is that of the time before there were several. */
function nameOf({ stage }: Settings, number: number): string {
  const name = named('MeshV2Api', stage);
  return number === 1 ? name : `${name}-${number}`;
}
