// The join page: from a code to a nickname to the lesson.
import { render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { type Group, Mesh } from "../../../clients/js/src";
import { inHiragana, parseCode } from "../common/code";
import { CodeForm } from "../common/code-form";
import { Editors } from "../common/editors";
import { focused } from "../common/focus";
import { Frame } from "../common/frame";
import { useTexts } from "../common/language";
import { inTab } from "../common/kept";
import { ROOT, config, joinUrl } from "../common/server";
import { Lesson, type Trouble, findGroup, remembered, troubleOf } from "./lesson";
import { LessonView } from "./lesson-view";
import { TEXTS } from "./texts";

/** The longest nickname, in characters. */
const NAME_LENGTH = 20;

/** The code in `/join/CODE`. */
function codeOfAddress(): string | undefined {
  try {
    return parseCode(decodeURIComponent(location.pathname.match(/\/join\/([^/]+)$/)?.[1] ?? ""));
  } catch {
    return undefined; // a half-typed escape
  }
}

function Join() {
  const texts = useTexts(TEXTS);
  const [code, setCode] = useState(codeOfAddress);
  const [found, setFound] = useState<{ mesh: Mesh; group: Group }>();
  const [problem, setProblem] = useState<"unknown" | "noKey" | Trouble>();
  const [lesson, setLesson] = useState<Lesson>();

  useEffect(() => {
    if (!code) return;
    let current = true;
    const search = async () => {
      const { key } = await config();
      if (!key) return setProblem("noKey");
      const mesh = new Mesh({ url: ROOT, key, code });
      const group = await findGroup(mesh);
      if (!current) return;
      if (!group) return setProblem("unknown");
      setFound({ mesh, group });
      const known = remembered(code);
      if (known) setLesson(await Lesson.join(mesh, group, known.nickname));
    };
    search().catch((error) => current && setProblem(troubleOf(error)));
    return () => void (current = false);
  }, [code]);

  const choose = (chosen?: string) => {
    setProblem(undefined);
    setFound(undefined);
    setLesson(undefined);
    setCode(chosen);
    history.replaceState(null, "", chosen ? joinUrl(ROOT, chosen) : new URL("join", ROOT).href);
  };

  if (lesson) return <LessonView lesson={lesson} onOther={() => choose()} />;
  return (
    <Frame title={texts.title} kind="narrow">
      <h1>{texts.title}</h1>
      <section class="card">
        {!code && (
          <>
            <p>{texts.codeHow}</p>
            <CodeForm onCode={choose} autofocus />
          </>
        )}
        {code && <p class="small soft">{`${inHiragana(code)} · ${code}`}</p>}
        {code && !found && !problem && <p role="status">{texts.searching}</p>}
        {problem && (
          <div role="alert">
            <p class="bad">
              {problem === "unknown" ? texts.unknown : problem === "noKey" ? texts.noKey : texts.troubles[problem]}
            </p>
          </div>
        )}
        {code && problem && !found && (
          <button type="button" onClick={() => choose()}>
            {texts.otherCode}
          </button>
        )}
        {found && (
          <NameForm
            onName={async (nickname) => {
              setProblem(undefined);
              inTab.set("nickname", nickname); // the next pupil at a school's machine is another one
              try {
                setLesson(await Lesson.join(found.mesh, found.group, nickname));
              } catch (error) {
                setProblem(troubleOf(error));
              }
            }}
          />
        )}
      </section>
      {code && found && <Editors code={code} />}
    </Frame>
  );
}

function NameForm(props: { onName(name: string): Promise<void> }) {
  const texts = useTexts(TEXTS);
  const [name, setName] = useState(inTab.get("nickname") ?? "");
  const [busy, setBusy] = useState(false);
  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    await props.onName(name.trim());
    setBusy(false);
  };
  return (
    <form onSubmit={submit}>
      <div>
        <label for="name">{texts.name}</label>
        <input
          id="name"
          value={name}
          onInput={({ currentTarget }) => setName(currentTarget.value)}
          maxLength={NAME_LENGTH}
          required
          pattern=".*\S.*"
          autocomplete="off"
          ref={focused}
          aria-describedby="name-how"
        />
        <p class="small soft" id="name-how">
          {texts.nameHow}
        </p>
      </div>
      <button class="main" type="submit" disabled={busy}>
        {texts.join}
      </button>
    </form>
  );
}

render(<Join />, document.getElementById("page")!);
