/** Bounds on load and cost that an operator may switch on: a rate for each address, a budget. */

import * as budgets from 'aws-cdk-lib/aws-budgets';
import type { GraphqlApi } from 'aws-cdk-lib/aws-appsync';
import * as wafv2 from 'aws-cdk-lib/aws-wafv2';
import { Construct } from 'constructs';

import type { Settings } from './settings';
import { named } from './stage';

/** WAF's usual span, in seconds. */
const SPAN_SECONDS = 300;

/**
 * A request that is signed with AWS credentials, as the function's pushes are, which come from
 * few addresses of Lambda's. AppSync refuses forged ones. What has an API key too counts, and so does what
 * opens a WebSocket (GET): AppSync may go by another credential there.
 */
const SIGNED: wafv2.CfnWebACL.StatementProperty = {
  andStatement: {
    statements: [
      matches({ method: {} }, 'EXACTLY', 'POST'),
      matches({ singleHeader: { Name: 'authorization' } }, 'STARTS_WITH', 'AWS4-HMAC-SHA256'),
      { notStatement: { statement: isNotEmpty('x-api-key') } },
    ],
  },
};

function matches(
  fieldToMatch: wafv2.CfnWebACL.FieldToMatchProperty,
  positionalConstraint: string,
  searchString: string,
): wafv2.CfnWebACL.StatementProperty {
  const textTransformations = [{ priority: 0, type: 'NONE' }];
  return { byteMatchStatement: { fieldToMatch, positionalConstraint, searchString, textTransformations } };
}

function isNotEmpty(name: string): wafv2.CfnWebACL.StatementProperty {
  const textTransformations = [{ priority: 0, type: 'NONE' }];
  const fieldToMatch = { singleHeader: { Name: name } };
  return { sizeConstraintStatement: { fieldToMatch, comparisonOperator: 'GT', size: 0, textTransformations } };
}

/** Has WAF refuse an address that sends more requests than this. A school is one address. */
export class RatePerAddress extends Construct {
  constructor(scope: Construct, { stage }: Settings, api: GraphqlApi, limit: number) {
    super(scope, 'RatePerAddress');
    const name = named('MeshV2-RatePerAddress', stage);
    const visibilityConfig = { cloudWatchMetricsEnabled: true, metricName: name, sampledRequestsEnabled: false };
    const acl = new wafv2.CfnWebACL(this, 'Acl', {
      name,
      scope: 'REGIONAL',
      defaultAction: { allow: {} },
      visibilityConfig,
      rules: [
        {
          name: 'RatePerAddress',
          priority: 0,
          // 403 means a wrong key to clients.
          action: { block: { customResponse: { responseCode: 429 } } },
          statement: {
            rateBasedStatement: {
              limit,
              aggregateKeyType: 'IP',
              evaluationWindowSec: SPAN_SECONDS,
              scopeDownStatement: { notStatement: { statement: SIGNED } },
            },
          },
          visibilityConfig,
        },
      ],
    });
    new wafv2.CfnWebACLAssociation(this, 'Association', { resourceArn: api.arn, webAclArn: acl.attrArn });
  }
}

/** Mails when the month's cost nears a number of dollars, or is forecast to exceed it. */
export function budget(scope: Construct, { stage }: Settings, dollars: number, address: string): void {
  const mail = (notificationType: string, threshold: number) => ({
    notification: { notificationType, comparisonOperator: 'GREATER_THAN', threshold, thresholdType: 'PERCENTAGE' },
    subscribers: [{ subscriptionType: 'EMAIL', address }],
  });
  new budgets.CfnBudget(scope, 'Budget', {
    budget: {
      budgetName: named('MeshV2-Budget', stage),
      budgetType: 'COST',
      timeUnit: 'MONTHLY',
      budgetLimit: { amount: dollars, unit: 'USD' },
      // Of all environments of the account; the tag must count in billing (docs/deployment.md).
      costFilters: { TagKeyValue: ['user:Project$MeshV2'] },
    },
    notificationsWithSubscribers: [mail('ACTUAL', 80), mail('FORECASTED', 100)],
  });
}
