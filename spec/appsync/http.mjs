// GraphQL over HTTP as AppSync answers it (docs/compatibility.md, HTTP).
import { randomUUID } from "node:crypto";
import { print } from "graphql";
import { collectSubfields } from "graphql/execution/collectFields.mjs";
import { Invalid, NoOperationName, byName, prepare, run, schema } from "./engine.mjs";
import { authorize, isForIam, isSigned, signer } from "./iam.mjs";
import { none } from "./lambda.mjs";

/** What AppSync's own edge adds to x-forwarded-for. */
const EDGE = "130.176.0.1";
/** Larger bodies are cut off: a bound of the stand-in, not AppSync's. */
const BODY_BYTES = 4 * 1024 * 1024;

class Refused extends Error {
  constructor(status, type, message) {
    super(message);
    Object.assign(this, { status, type });
  }
}
const unreadable = () => new Refused(400, "MalformedHttpRequestException", "Unable to parse GraphQL query.");

/** The API key alone authorizes a request. */
export function unauthorized(api, key) {
  if (key === undefined) return "Valid authorization header not provided.";
  return key === api.key ? undefined : "You are not authorized to make this call.";
}

/** Answers one request. */
export async function answer(api, request, response) {
  const { status, type, body } = await answered(api, request).catch(refusal);
  response.writeHead(status, {
    "content-type": "application/json;charset=UTF-8",
    "x-amzn-requestid": randomUUID(),
    "access-control-allow-origin": "*",
    "access-control-expose-headers":
      "x-amzn-RequestId,x-amzn-ErrorType,x-amz-user-agent,x-amzn-ErrorMessage,Date,x-amz-schema-version",
    ...(type && { "x-amzn-errortype": type }),
  });
  response.end(JSON.stringify(body));
}

function refusal(error) {
  if (error instanceof Invalid) return { status: 200, body: { data: null, errors: error.errors } };
  const { status = 500, type: errorType = "InternalFailure", message } = error;
  if (status === 500) console.error(error);
  return { status, type: errorType, body: { errors: [{ errorType, message }] } };
}

async function answered(api, request) {
  const why = isSigned(request) ? undefined : unauthorized(api, request.headers["x-api-key"]);
  if (why) throw new Refused(401, "UnauthorizedException", why);
  const url = new URL(request.url, "http://localhost");
  if (url.pathname !== "/graphql") throw new Refused(404, "UnknownOperationException", "There is nothing here.");
  const text = request.method === "POST" ? await body(request) : "";
  const identity = isSigned(request) ? signer(api.callers, request, url, text) : null;
  if (identity === undefined) {
    throw new Refused(403, "UnrecognizedClientException", "The security token included in the request is invalid.");
  }
  const prepared = prepareNamed(request.method === "POST" ? posted(text) : inUrl(url.searchParams));
  if (prepared.operation.operation === "subscription") {
    throw new Refused(400, "BadRequestException", "Subscriptions over MQTT is not supported.");
  }
  const results = {};
  const answer = await run(prepared, fields(api, request, prepared, results, identity));
  if (prepared.operation.operation === "mutation") {
    const succeeded = Object.fromEntries(Object.entries(results).filter(([key]) => answer.data?.[key] != null));
    api.subscribers.publish(prepared, succeeded);
  }
  return { status: 200, body: answer };
}

function prepareNamed(asked) {
  try {
    return prepare(asked);
  } catch (error) {
    throw error instanceof NoOperationName ? new Refused(400, "BadRequestException", "Missing operation name.") : error;
  }
}

async function body(request) {
  const kind = (request.headers["content-type"] ?? "").split(";")[0].trim().toLowerCase();
  if (!["application/json", "application/graphql"].includes(kind)) throw unreadable();
  let [text, bytes] = ["", 0];
  for await (const piece of request.setEncoding("utf8")) {
    bytes += Buffer.byteLength(piece);
    if (bytes > BODY_BYTES) throw new Refused(413, "MalformedHttpRequestException", "The body is too large.");
    text += piece;
  }
  return text;
}

function posted(text) {
  if (text.trim() === "") throw new Refused(400, "MalformedHttpRequestException", "Request body is empty.");
  return envelope(json(text));
}

function inUrl(parameters) {
  const variables = parameters.get("variables") || "null";
  const [query, operationName] = [parameters.get("query"), parameters.get("operationName")];
  return envelope({ query, operationName, variables: json(variables) });
}

function json(text) {
  try {
    return JSON.parse(text);
  } catch {
    throw unreadable();
  }
}

function envelope(asked) {
  const { query, variables = null, operationName = null } = asked ?? {};
  const fits = typeof query === "string" && typeof variables === "object" && !Array.isArray(variables);
  if (!fits) throw unreadable();
  return { query, variables, operationName };
}

/**
 * Root fields ask the Lambda, and `results` keeps what it returned; others are looked up in that. The
 * function's own mutation needs no Lambda. `identity` is of a caller with AWS credentials.
 */
export function fields(api, request, prepared, results, identity = null) {
  const roots = [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()];
  const headers = headersOf(request);
  const ask = async (given, info) => {
    authorize(identity, info);
    const args = { ...given }; // graphql-js makes objects without a prototype
    const context = {
      arguments: args, args, identity, source: null, prev: null, stash: {}, env: { PUBLISHER_ROLE: api.publisherRole },
      request: { headers, domainName: null }, info: infoOf(prepared, info),
    };
    const isOwn = isForIam(info.parentType.getFields()[info.fieldName]);
    return (results[info.path.key] = isOwn ? none(context) : await api.lambda.resolve(context));
  };
  return (source, args, context, info) =>
    roots.includes(info.parentType) ? ask(args, info) : byName(source, args, context, info);
}

/** Header names in lower case; the caller's address stands before the edge's. */
function headersOf(request) {
  const { cookie, ...headers } = request.headers;
  const forwarded = [headers["x-forwarded-for"], request.socket.remoteAddress.replace(/^::ffff:/, ""), EDGE];
  return { ...headers, "x-forwarded-for": forwarded.filter((it) => it !== undefined).join(", ") };
}

function infoOf(prepared, { fieldName, fieldNodes, fragments, parentType, returnType }) {
  const set = fieldNodes[0].selectionSet;
  const paths = (type, nodes, before) => {
    const named = schema.getType(String(type).replace(/[[\]!]/g, ""));
    const selected = [...collectSubfields(schema, fragments, prepared.variables, named, nodes)];
    return selected.flatMap(([key, inner]) => {
      const field = named.getFields()[inner[0].name.value];
      const below = inner[0].selectionSet && field ? paths(field.type, inner, `${before}${key}/`) : [];
      return [`${before}${key}`, ...below];
    });
  };
  return {
    fieldName, parentTypeName: parentType.name, variables: { ...prepared.variables },
    selectionSetList: set ? paths(returnType, fieldNodes, "") : [], selectionSetGraphQL: set ? print(set) : "",
  };
}
