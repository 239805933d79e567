// How AppSync asks the Lambda for a field, and how its answer becomes the field's value. Runs on
// AppSync's JavaScript runtime (APPSYNC_JS); the spec runs this same file.
import { util } from '@aws-appsync/utils';

// What the server answers when its store fails. AppSync's and Lambda's own texts have ids and
// status codes, in which editors see a filter of the network (docs/compatibility.md, must keep, 4).
const FAILED = 'The service is busy or out of order. Please try again.';

/** Sends the field's context as a direct resolver would. */
export function request(ctx) {
  const { identity, source, prev, info, stash } = ctx;
  const payload = { arguments: ctx.arguments, identity, source, request: ctx.request, prev, info, stash };
  return { operation: 'Invoke', payload };
}

/** A refusal is an answer of the Lambda's: it becomes an error of the refusal's own type. All that fails
 * on the way there or back (a crash, a timeout, too many calls) is the same failure. */
export function response(ctx) {
  if (ctx.error) {
    util.error(FAILED, 'InternalFailure');
  }
  const { result } = ctx;
  if (result && result.error) {
    util.error(result.error.message, result.error.type);
  }
  return result;
}
