// The front page: what this is, and where to go.
import { render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { CodeForm } from "../common/code-form";
import { Editors } from "../common/editors";
import { Frame } from "../common/frame";
import { useTexts } from "../common/language";
import { ROOT, config, joinUrl } from "../common/server";
import { TEXTS } from "./texts";

const to = (path: string) => new URL(path, ROOT).href;

function Front() {
  const texts = useTexts(TEXTS);
  const [graphiql, setGraphiql] = useState(false);
  useEffect(() => {
    config().then(
      (found) => setGraphiql(found.graphiql),
      () => {},
    );
  }, []);
  return (
    <Frame title={texts.title}>
      <h1>{texts.title}</h1>
      <p>{texts.what}</p>
      <div class="cards pairs">
        <section class="card">
          <h2>{texts.join}</h2>
          <p>{texts.joinHow}</p>
          <CodeForm onCode={(code) => location.assign(joinUrl(ROOT, code))} />
        </section>
        <section class="card">
          <h2>{texts.teach}</h2>
          <p>{texts.teachHow}</p>
          <a class="button main" href={to("teach")}>
            {texts.teachGo}
          </a>
        </section>
        <section class="card">
          <h2>{texts.network}</h2>
          <p>{texts.networkHow}</p>
          <a class="button" href={to("doctor")}>
            {texts.networkGo}
          </a>
        </section>
        {graphiql && (
          <section class="card">
            <h2>{texts.developers}</h2>
            <p>{texts.developersHow}</p>
            <a class="button" href={to("graphql")}>
              GraphiQL
            </a>
          </section>
        )}
      </div>
      <Editors />
    </Frame>
  );
}

render(<Front />, document.getElementById("page")!);
