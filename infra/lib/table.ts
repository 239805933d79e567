/** The table: the very one that `mesh-v2 table create` makes (a test compares the two). */

import { RemovalPolicy, Tags } from 'aws-cdk-lib';
import * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import type { Construct } from 'constructs';

import { type Stage, named } from './stage';

/** Its indexes; the second only names candidates, so a heartbeat costs it nothing. */
const INDEXES = [
  { name: 'GroupIdIndex', keys: 'gsi', projection: dynamodb.ProjectionType.ALL },
  { name: 'GroupNameIndex', keys: 'gsi2', projection: dynamodb.ProjectionType.KEYS_ONLY },
];

export const INDEX_NAMES = INDEXES.map(({ name }) => name);

const text = (name: string) => ({ name, type: dynamodb.AttributeType.STRING });

export function table(scope: Construct, stage: Stage, name = 'MeshV2Table'): dynamodb.Table {
  const kept = stage === 'prod';
  const made = new dynamodb.Table(scope, 'Table', {
    tableName: named(name, stage),
    partitionKey: text('pk'),
    sortKey: text('sk'),
    billingMode: dynamodb.BillingMode.PAY_PER_REQUEST,
    timeToLiveAttribute: 'ttl',
    pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: kept },
    deletionProtection: kept,
    removalPolicy: kept ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
  });
  for (const { name, keys, projection } of INDEXES) {
    made.addGlobalSecondaryIndex({
      indexName: name,
      partitionKey: text(`${keys}_pk`),
      sortKey: text(`${keys}_sk`),
      projectionType: projection,
    });
  }
  Tags.of(made).add('ResourceType', 'DynamoDB');
  return made;
}

/** The ARNs of its indexes, each by name. */
export function indexArns(made: dynamodb.Table): string[] {
  return INDEX_NAMES.map((name) => `${made.tableArn}/index/${name}`);
}
