/** The network of the server: two public subnets and nothing that costs by the hour. */

import * as ec2 from 'aws-cdk-lib/aws-ec2';
import type { Construct } from 'constructs';

/** The addresses inside, of which the load balancer's are trusted. */
export const NETWORK = '10.41.0.0/24';

/**
 * The task has a public address, by which it fetches its image and its secrets and writes its log:
 * a NAT gateway would cost more than all the rest. Nothing but the load balancer may connect to it.
 * The table is reached by an endpoint, which is free.
 */
export function network(scope: Construct): ec2.Vpc {
  return new ec2.Vpc(scope, 'Network', {
    ipAddresses: ec2.IpAddresses.cidr(NETWORK),
    // A load balancer has two; the task is in one of them.
    maxAzs: 2,
    natGateways: 0,
    subnetConfiguration: [{ name: 'Public', subnetType: ec2.SubnetType.PUBLIC, cidrMask: 26 }],
    gatewayEndpoints: { Table: { service: ec2.GatewayVpcEndpointAwsService.DYNAMODB } },
  });
}
