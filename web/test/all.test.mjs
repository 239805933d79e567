// The tests of all pages, which share one server and one Chromium.
import "./front.test.mjs";
import "./graphiql.test.mjs";
