/** The load balancer: TLS for the server's name, WebSockets and event streams passed on. */

import { Duration } from 'aws-cdk-lib';
import * as acm from 'aws-cdk-lib/aws-certificatemanager';
import type * as ec2 from 'aws-cdk-lib/aws-ec2';
import type * as ecs from 'aws-cdk-lib/aws-ecs';
import * as elb from 'aws-cdk-lib/aws-elasticloadbalancingv2';
import * as route53 from 'aws-cdk-lib/aws-route53';
import { LoadBalancerTarget } from 'aws-cdk-lib/aws-route53-targets';
import { Construct } from 'constructs';

import { PORT } from './service';
import { BALANCER_IDLE, type ServerSettings } from './settings';

export class MeshBalancer extends Construct {
  readonly made: elb.ApplicationLoadBalancer;
  readonly targets: elb.ApplicationTargetGroup;

  constructor(scope: Construct, settings: ServerSettings, vpc: ec2.Vpc, service: ecs.FargateService) {
    super(scope, 'Balancer');
    const { domain } = settings;
    this.made = new elb.ApplicationLoadBalancer(this, 'Resource', {
      vpc,
      internetFacing: true,
      // Longer than the server's pause between two signs of life on a WebSocket or an event stream
      // (MESH_KEEP_ALIVE_SECONDS, at most 25), and shorter than its patience with an idle connection
      // (MESH_IDLE_SECONDS): who closes first must not be about to get a request.
      idleTimeout: Duration.seconds(BALANCER_IDLE),
      dropInvalidHeaderFields: true,
      deletionProtection: settings.stage === 'prod',
    });
    const zone = domain.zone && zoneOf(this, domain.zone);
    const certificate = domain.certificateArn
      ? acm.Certificate.fromCertificateArn(this, 'Certificate', domain.certificateArn)
      : new acm.Certificate(this, 'Certificate', {
          domainName: domain.name,
          validation: acm.CertificateValidation.fromDns(zone),
        });
    this.targets = new elb.ApplicationTargetGroup(this, 'Targets', {
      vpc,
      port: PORT,
      protocol: elb.ApplicationProtocol.HTTP,
      // WebSockets begin with HTTP/1.1.
      protocolVersion: elb.ApplicationProtocolVersion.HTTP1,
      targets: [service.loadBalancerTarget({ containerName: 'Server', containerPort: PORT })],
      // Sockets do not end by themselves: the server closes them with a reason when it is ended,
      // and that waits for this.
      deregistrationDelay: Duration.seconds(5),
      healthCheck: {
        // Whether the process answers. /readyz asks the table too: another task would not mend that.
        path: '/healthz',
        interval: Duration.seconds(10),
        timeout: Duration.seconds(5),
        healthyThresholdCount: 2,
        unhealthyThresholdCount: 3,
      },
    });
    this.made.addListener('Tls', {
      port: 443,
      protocol: elb.ApplicationProtocol.HTTPS,
      certificates: [certificate],
      sslPolicy: elb.SslPolicy.RECOMMENDED_TLS,
      defaultTargetGroups: [this.targets],
    });
    // For pupils who type the name.
    this.made.addRedirect();
    if (zone) {
      new route53.ARecord(this, 'Address', {
        zone,
        recordName: `${domain.name}.`,
        target: route53.RecordTarget.fromAlias(new LoadBalancerTarget(this.made)),
      });
    }
  }
}

function zoneOf(scope: Construct, { zoneName, zoneId }: { zoneName: string; zoneId?: string }): route53.IHostedZone {
  return zoneId
    ? route53.HostedZone.fromHostedZoneAttributes(scope, 'Zone', { zoneName, hostedZoneId: zoneId })
    : route53.HostedZone.fromLookup(scope, 'Zone', { domainName: zoneName });
}
