// The mutation publishMessage: its argument is its result, which AppSync delivers to subscribers.
// Runs on AppSync's JavaScript runtime (APPSYNC_JS); the spec runs this same file.
import { util } from '@aws-appsync/utils';

/** Lets in the function alone: other callers with AWS credentials may be let in to the other fields. */
export function request(ctx) {
  const { identity, env } = ctx;
  const arn = identity && identity.userArn ? identity.userArn : '';
  if (!arn.includes(`:assumed-role/${env.PUBLISHER_ROLE}/`)) {
    util.unauthorized();
  }
  return { payload: ctx.arguments.message };
}

export function response(ctx) {
  return ctx.result;
}
