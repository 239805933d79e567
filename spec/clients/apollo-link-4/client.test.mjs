import { tellOfApollo } from "../common/apollo.mjs";
import { tellStory } from "../common/story.mjs";
import { open } from "./client.mjs";

tellOfApollo(tellStory(open), open);
