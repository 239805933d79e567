import { testApollo } from "../common/apollo.mjs";
import { runScenario } from "../common/scenario.mjs";
import { open } from "./client.mjs";

testApollo(runScenario(open), open);
