// These are CommonJS: Node finds Apollo Client 3 for its links and for us only so.
import { createRequire } from "node:module";
import { openWith } from "../common/apollo.mjs";

const require = createRequire(import.meta.url);

export const open = openWith({
  ...require("@apollo/client/core"),
  ...require("aws-appsync-auth-link"),
  ...require("aws-appsync-subscription-link"),
});
