/** The actions on the table that the store's code asks for. */

import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

import { root } from './support';

/** What a call of the SDK needs; a transaction needs the rights of its steps. */
const NEEDS: Record<string, string[]> = {
  transact_write_items: ['ConditionCheckItem', 'DeleteItem', 'PutItem', 'UpdateItem'],
  transact_get_items: ['GetItem'],
};
/** Every call of DynamoDB's about items, and those about tables that a server may make. */
const CALLS = [
  'batch_execute_statement', 'batch_get_item', 'batch_write_item', 'delete_item', 'describe_table',
  'execute_statement', 'execute_transaction', 'get_item', 'put_item', 'query', 'scan',
  'transact_get_items', 'transact_write_items', 'update_item',
];

const pascal = (call: string) => call.replace(/(?:^|_)([a-z])/g, (_, letter) => letter.toUpperCase());

/** The actions that the store's code asks for, without those of `mesh-v2 table`. */
export function asked(): string[] {
  const folder = join(root, 'src/store/dynamodb');
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(
    (file) => file.endsWith('.rs') && !file.startsWith('tests') && !file.startsWith('table'),
  );
  const code = files.map((file) => readFileSync(join(folder, file), 'utf8')).join('\n');
  const calls = [...code.matchAll(/\bclient\s*\.\s*([a-z_]+)\(\)/g)].map(([, call]) => call!);
  const known = CALLS.filter((call) => new RegExp(`\\.\\s*${call}\\(\\)`).test(code));
  const needs = [...calls, ...known].flatMap((call) => NEEDS[call] ?? [pascal(call)]);
  return [...new Set(needs)].sort().map((action) => `dynamodb:${action}`);
}
