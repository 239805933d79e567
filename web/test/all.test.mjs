// The tests of all pages, which share one server and one Chromium.
import "./client.test.mjs";
import "./doctor.test.mjs";
import "./front.test.mjs";
import "./graphiql.test.mjs";
import "./lesson.test.mjs";
import "./scratch/cloud.test.mjs";
import "./scratch/extension.test.mjs";
import "./scratch/kit.test.mjs";
import "./scratch/rules.test.mjs";
import "./together.test.mjs";
