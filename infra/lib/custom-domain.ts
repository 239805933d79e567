/** A name of one's own for the API: its zone, its certificate, its address record. */

import { Stack, type StackProps } from 'aws-cdk-lib';
import type { GraphqlApi } from 'aws-cdk-lib/aws-appsync';
import * as acm from 'aws-cdk-lib/aws-certificatemanager';
import * as route53 from 'aws-cdk-lib/aws-route53';
import { AppSyncTarget } from 'aws-cdk-lib/aws-route53-targets';
import type { Construct } from 'constructs';

import type { CustomDomain } from './settings';

/** The zone that the name is in, which is there already. */
function zone(scope: Construct, { zoneName, zoneId }: CustomDomain): route53.IHostedZone {
  return zoneId
    ? route53.HostedZone.fromHostedZoneAttributes(scope, 'Zone', {
        zoneName,
        hostedZoneId: zoneId,
      })
    : route53.HostedZone.fromLookup(scope, 'Zone', { domainName: zoneName });
}

/** The certificate, in the one region where AppSync looks for it. */
export class CertificateStack extends Stack {
  readonly certificate: acm.ICertificate;

  constructor(scope: Construct, id: string, domain: CustomDomain, props: StackProps) {
    super(scope, id, { ...props, crossRegionReferences: true });
    this.certificate = new acm.Certificate(this, 'Certificate', {
      domainName: domain.name,
      validation: acm.CertificateValidation.fromDns(zone(this, domain)),
    });
  }
}

/** Points the name to the API. */
export function pointTo(scope: Construct, api: GraphqlApi, domain: CustomDomain): void {
  new route53.ARecord(scope, 'Address', {
    zone: zone(scope, domain),
    recordName: `${domain.name}.`,
    target: route53.RecordTarget.fromAlias(new AppSyncTarget(api)),
  });
}
