// AWS credentials as AppSync checks them: the signature of a request (SigV4), and which mode of
// authorization a field is open to.
import { createHash, createHmac } from "node:crypto";
import { getDirectiveValues } from "graphql";
import { HandlerError } from "./appsync-utils.mjs";
import { schema } from "./engine.mjs";

const ALGORITHM = "AWS4-HMAC-SHA256";
const FORM = /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/appsync\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/;
/** Without these a signature could be used for another request. */
const SIGNED = ["host", "x-amz-date"];

const sha256 = (text) => createHash("sha256").update(text).digest("hex");
const hmac = (key, text) => createHmac("sha256", key).update(text).digest();

export const isSigned = ({ headers }) => (headers.authorization ?? "").startsWith(ALGORITHM);

/** Who signed the request, or undefined: `callers` has the secret and the role of each access key. */
export function signer(callers, { method, headers }, { pathname }, body) {
  const [, key, day, region, signed, given] = FORM.exec(headers.authorization) ?? [];
  const caller = Object.hasOwn(callers, key) ? callers[key] : undefined;
  const names = (signed ?? "").split(";");
  if (!caller || !SIGNED.every((name) => names.includes(name))) return undefined;
  const canonical = [
    method, pathname, "", ...names.map((name) => `${name}:${(headers[name] ?? "").trim()}`), "", signed, sha256(body),
  ].join("\n");
  const scope = `${day}/${region}/appsync/aws4_request`;
  const toSign = [ALGORITHM, headers["x-amz-date"], scope, sha256(canonical)].join("\n");
  const secret = [day, region, "appsync", "aws4_request"].reduce(hmac, `AWS4${caller.secret}`);
  if (hmac(secret, toSign).toString("hex") !== given) return undefined;
  const userArn = `arn:aws:sts::123456789012:assumed-role/${caller.role}/session`;
  return { accountId: "123456789012", userArn, username: key };
}

/** Whether AppSync lets only AWS credentials at a field of a root type. */
export function isForIam({ astNode }) {
  return getDirectiveValues(schema.getDirective("aws_iam"), astNode) !== undefined;
}

/** A field without a directive is open to the API key alone: the default mode. */
export function authorize(identity, { parentType, fieldName }) {
  const isIam = identity !== null;
  if (isForIam(parentType.getFields()[fieldName]) !== isIam) {
    throw new HandlerError(`Not Authorized to access ${fieldName} on type ${parentType.name}`, "Unauthorized");
  }
}
