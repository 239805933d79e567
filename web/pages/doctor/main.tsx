// The network check: what a lesson can use from this device, and a letter that asks for the rest.
import { render } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { Frame } from "../common/frame";
import { useTexts } from "../common/language";
import { ROOT, config } from "../common/server";
import { type Finding, type Lang, type Way, advice, checkName, letter, stateName, stateOf, wayAdvice, wayOf } from "./advice";
import { type Times, check, worstFirst } from "./check";
import { TEXTS } from "./texts";

/** Of `?wait=` and `?pause=`, in seconds. */
function times(): Times {
  const asked = new URLSearchParams(location.search);
  const seconds = (name: string, usual: number, most: number) => {
    const value = Number(asked.get(name) ?? usual);
    return 1000 * (value >= 0 && value <= most ? value : usual);
  };
  return { waitMs: seconds("wait", 10, 120), pauseMs: seconds("pause", 4, 60) };
}

interface Result {
  findings: Finding[];
  way?: Way;
}

function Doctor() {
  const texts = useTexts(TEXTS);
  const lang: Lang = texts === TEXTS.en ? "en" : "ja";
  const [key, setKey] = useState<string>();
  const [asksKey, setAsksKey] = useState(false);
  const [result, setResult] = useState<Result>();
  const [busy, setBusy] = useState(false);
  const [failed, setFailed] = useState(false);

  useEffect(() => {
    config().then(
      (it) => (it.key ? setKey(it.key) : setAsksKey(true)),
      () => setAsksKey(true),
    );
  }, []);

  const start = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    setFailed(false);
    setResult({ findings: [] });
    try {
      const pass = (found: Finding) => setResult((before) => ({ findings: [...(before?.findings ?? []), found] }));
      const findings = await check(key ?? "", times(), pass);
      setResult({ findings: worstFirst(findings), way: wayOf(findings) });
      if (findings.some(({ id }) => id === "post-key")) setAsksKey(true);
    } catch {
      setFailed(true);
    }
    setBusy(false);
  };

  return (
    <Frame title={texts.title}>
      <h1>{texts.title}</h1>
      <p>{texts.what}</p>
      <form onSubmit={start} class="no-print">
        {asksKey && (
          <div>
            <label for="key">{texts.key}</label>
            <input
              id="key"
              value={key ?? ""}
              onInput={({ currentTarget }) => setKey(currentTarget.value.trim())}
              required
              autocomplete="off"
              aria-describedby="key-how"
            />
            <p class="small soft" id="key-how">
              {texts.keyHow}
            </p>
          </div>
        )}
        <button class="main" type="submit" disabled={busy || !key}>
          {result?.way ? texts.again : texts.start}
        </button>
      </form>
      <p role="status" class="small soft">
        {busy ? texts.busy : result?.way ? texts.done : ""}
      </p>
      {failed && (
        <p role="alert" class="bad">
          {texts.failed}
        </p>
      )}
      {result?.way && <Verdict way={result.way} lang={lang} />}
      {result && result.findings.length > 0 && <Findings findings={result.findings} lang={lang} />}
      {result?.way && <Letter findings={result.findings} way={result.way} lang={lang} />}
    </Frame>
  );
}

function Verdict({ way, lang }: { way: Way; lang: Lang }) {
  const { means, todo } = wayAdvice(way, lang);
  return (
    <section class="card verdict" data-way={way} lang={lang}>
      <h2>{means}</h2>
      {todo && <p>{todo}</p>}
    </section>
  );
}

function Findings({ findings, lang }: { findings: Finding[]; lang: Lang }) {
  const texts = useTexts(TEXTS);
  return (
    <ul class="findings no-print">
      {findings.map((it) => {
        const { means, todo } = advice(it, lang);
        return (
          <li key={it.id} lang={lang} data-finding={it.id} data-state={stateOf(it)}>
            <span class="state">{stateName(it, lang)}</span>
            <div>
              <strong>{checkName(it, lang)}</strong> {means}
              {todo && (
                <p class="small">
                  {texts.todo} {todo}
                </p>
              )}
            </div>
          </li>
        );
      })}
    </ul>
  );
}

function Letter(props: { findings: Finding[]; way: Way; lang: Lang }) {
  const texts = useTexts(TEXTS);
  const [copied, setCopied] = useState("");
  const text = useRef<HTMLPreElement>(null);
  const written = letter(props.findings, props.way, props.lang, ROOT);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(written);
      setCopied(texts.copied);
    } catch {
      // Pages over http have no clipboard.
      getSelection()?.selectAllChildren(text.current!);
      setCopied(texts.copyByHand);
    }
  };
  return (
    <section class="card">
      <div class="no-print">
        <h2>{texts.letter}</h2>
        <p>{texts.letterHow}</p>
        <div class="row">
          <button type="button" onClick={copy}>
            {texts.copy}
          </button>
          <button type="button" onClick={() => print()}>
            {texts.print}
          </button>
          <span role="status">{copied}</span>
        </div>
      </div>
      <pre class="letter" ref={text} lang={props.lang} tabIndex={0} role="region" aria-label={texts.letter}>
        {written}
      </pre>
      <p class="small soft no-print">
        {texts.program} <code>mesh-v2 doctor {new URL("graphql", ROOT).href}</code>
      </p>
    </section>
  );
}

render(<Doctor />, document.getElementById("page")!);
