// How AppSync asks the Lambda for a field, and how its answer becomes the field's value. Runs on
// AppSync's JavaScript runtime (APPSYNC_JS); the spec runs this same file.
import { util } from '@aws-appsync/utils';

/** Sends the field's context as a direct resolver would. */
export function request(ctx) {
  const { identity, source, prev, info, stash } = ctx;
  const payload = { arguments: ctx.arguments, identity, source, request: ctx.request, prev, info, stash };
  return { operation: 'Invoke', payload };
}

/** A refusal is an answer of the Lambda's: it becomes an error of the refusal's own type. */
export function response(ctx) {
  if (ctx.error) {
    util.error(ctx.error.message, ctx.error.type);
  }
  const { result } = ctx;
  if (result && result.error) {
    util.error(result.error.message, result.error.type);
  }
  return result;
}
