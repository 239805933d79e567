import * as apollo from "@apollo/client/core";
import { createAuthLink } from "aws-appsync-auth-link";
import { createSubscriptionHandshakeLink } from "aws-appsync-subscription-link";
import { openWith } from "../common/apollo.mjs";

export const open = openWith({ ...apollo, createAuthLink, createSubscriptionHandshakeLink });
