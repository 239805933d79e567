/** The settings of what an operator watches and bounds: keys, mails, rates, budget. */

import { BadSetting, type Sources } from './sources';
import type { Stage } from './stage';

/** AppSync has at most 50 keys for an API; an overlap needs two. */
const MOST_KEYS = 10;

export interface Operations {
  /** The numbers of the API keys that are good, the one that is handed out last. */
  keys: number[];
  /** Where alarms are mailed. */
  alarmEmail?: string;
  /** Requests of one address in five minutes, beyond which WAF turns it away. */
  wafRate?: number;
  /** Dollars a month, near which a mail is sent. */
  budgetUsd?: number;
  /** Calls of the function at once that are set apart for it, and more than which it does not take. */
  reservedConcurrency?: number;
}

export function operations(from: Sources, stage: Stage): Operations {
  const found: Operations = {
    keys: keySetting(from),
    alarmEmail: from.get('ALARM_EMAIL'),
    // WAF takes 10 or more; one pupil with a project sends more than 100.
    wafRate: number(from, 'APPSYNC_WAF_RATE', 100),
    budgetUsd: number(from, 'BUDGET_USD', 1),
    reservedConcurrency: number(from, 'LAMBDA_RESERVED_CONCURRENCY', 1),
  };
  const { alarmEmail, budgetUsd } = found;
  if (alarmEmail && !/^[^@\s]+@[^@\s]+$/.test(alarmEmail)) {
    throw new BadSetting(`ALARM_EMAIL is no mail address: "${alarmEmail}"`);
  }
  if (budgetUsd && !alarmEmail) {
    throw new BadSetting('BUDGET_USD needs ALARM_EMAIL, the address that its mails go to');
  }
  if (!alarmEmail && stage === 'prod') {
    from.notes.push('without ALARM_EMAIL no mail says that something fails, or that the API keys end in a month.');
  }
  return found;
}

function keySetting(from: Sources): number[] {
  const text = from.get('APPSYNC_KEYS') ?? '1';
  const keys = text.split(',').map((part) => part.trim());
  const good = keys.every((key) => /^[1-9]\d{0,3}$/.test(key)) && new Set(keys).size === keys.length;
  if (!good || keys.length > MOST_KEYS) {
    throw new BadSetting(
      `APPSYNC_KEYS is a list of at most ${MOST_KEYS} different numbers such as 1 or 1,2, ` +
        `the key that is handed out last, not "${text}"`,
    );
  }
  return keys.map(Number);
}

function number(from: Sources, name: string, least: number): number | undefined {
  const text = from.get(name);
  if (text === undefined) return undefined;
  if (!/^\d{1,9}$/.test(text) || Number(text) < least) {
    throw new BadSetting(`${name} must be a whole number of ${least} or more, not "${text}"`);
  }
  return Number(text);
}
