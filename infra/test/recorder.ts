/** Stands where AWS would: notes what the AWS CLI and mesh-v2 ask, and answers little. */

import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

const TABLE = {
  TableName: 'MeshV2Table-stg',
  TableArn: 'arn:aws:dynamodb:ap-northeast-1:123456789012:table/MeshV2Table-stg',
  TableStatus: 'ACTIVE',
  GlobalSecondaryIndexes: [{ IndexName: 'GroupIdIndex' }, { IndexName: 'GroupNameIndex' }],
};

/** Runs `use` with the recorder's address; `outputs` are the stack's. Answers what was asked. */
export async function recording(
  outputs: Record<string, string>,
  use: (url: string) => Promise<void>,
): Promise<string[]> {
  const asked: string[] = [];
  const server = createServer(async (request, response) => {
    const body = await text(request);
    const operation = operationOf(request, body);
    asked.push(operation);
    const [type, answer] = answerTo(request, operation, outputs);
    response.setHeader('content-type', type);
    if (type === 'application/cbor') response.setHeader('smithy-protocol', 'rpc-v2-cbor');
    response.end(answer);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    server.close();
    server.closeAllConnections();
  }
  return asked;
}

function operationOf(request: IncomingMessage, body: string): string {
  const target = request.headers['x-amz-target'];
  return (
    (target && String(target).split('.').pop()) ??
    /(?:^|&)Action=(\w+)/.exec(body)?.[1] ??
    /\/operation\/(\w+)/.exec(request.url!)?.[1] ??
    `${request.method} ${request.url}`
  );
}

function answerTo(request: IncomingMessage, operation: string, outputs: Record<string, string>): [string, string | Buffer] {
  const kind = String(request.headers['content-type'] ?? '');
  if (kind.includes('cbor')) return ['application/cbor', Buffer.from([0xa0])];
  if (kind.includes('x-www-form-urlencoded')) return ['text/xml', xml(operation, outputs)];
  if (operation === 'DescribeTable') return ['application/x-amz-json-1.0', JSON.stringify({ Table: TABLE })];
  if (operation === 'DescribeTimeToLive') {
    const on = { TimeToLiveDescription: { AttributeName: 'ttl', TimeToLiveStatus: 'ENABLED' } };
    return ['application/x-amz-json-1.0', JSON.stringify(on)];
  }
  return ['application/json', '{}'];
}

function xml(operation: string, outputs: Record<string, string>): string {
  const members = Object.entries(outputs).map(
    ([key, value]) => `<member><OutputKey>${key}</OutputKey><OutputValue>${value}</OutputValue></member>`,
  );
  const stack =
    '<member><StackName>MeshV2Stack-stg</StackName><CreationTime>2026-01-01T00:00:00Z</CreationTime>' +
    `<StackStatus>CREATE_COMPLETE</StackStatus><Outputs>${members.join('')}</Outputs></member>`;
  const result = operation === 'DescribeStacks' ? `<Stacks>${stack}</Stacks>` : '';
  return `<${operation}Response><${operation}Result>${result}</${operation}Result></${operation}Response>`;
}
