// The teacher's page: signs in, starts a lesson or finds the one that lives, and shows it.
import { render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { focused } from "../common/focus";
import { Frame } from "../common/frame";
import { useTexts } from "../common/language";
import { config } from "../common/server";
import { type Lesson, findLesson, startLesson } from "./lesson";
import { LessonView } from "./lesson-view";
import { type Refusal, type Teacher, keptKey, signIn, signOut, teacherOf } from "./sign-in";
import { TEXTS } from "./texts";

/** How long a lesson may be asked to last. */
const MINUTES = [45, 50, 100];

/** A key behind the # of the address, as the server prints it; the address forgets it at once. */
function keyOfAddress(): string {
  const key = location.hash.slice(1);
  if (key) history.replaceState(null, "", location.pathname + location.search);
  return key;
}

function Teach() {
  const [given] = useState(keyOfAddress);
  const [teacher, setTeacher] = useState<Teacher | undefined>(() => {
    const key = given ? undefined : keptKey();
    return key ? teacherOf(key) : undefined;
  });
  if (!teacher) return <SignIn given={given} onTeacher={setTeacher} />;
  const leave = () => {
    signOut();
    setTeacher(undefined);
  };
  return <Lessons teacher={teacher} onSignOut={leave} />;
}

function SignIn(props: { given: string; onTeacher(teacher: Teacher): void }) {
  const texts = useTexts(TEXTS);
  const [key, setKey] = useState(props.given);
  const [stays, setStays] = useState(false);
  const [refusal, setRefusal] = useState<Refusal>();
  const attempt = async () => {
    const found = await signIn(key.trim(), stays);
    if (typeof found === "string") setRefusal(found);
    else props.onTeacher(found);
  };
  useEffect(() => void (props.given && attempt()), []);
  const submit = (event: Event) => {
    event.preventDefault();
    void attempt();
  };
  return (
    <Frame title={texts.title} kind="narrow">
      <h1>{texts.title}</h1>
      <form class="card" onSubmit={submit}>
        <div>
          <label for="key">{texts.keyLabel}</label>
          <input
            id="key"
            type="password"
            value={key}
            onInput={({ currentTarget }) => setKey(currentTarget.value)}
            autocomplete="off"
            required
            ref={focused}
            aria-describedby="key-how"
          />
          <p class="small soft" id="key-how">
            {texts.keyHow}
          </p>
        </div>
        <label class="inline">
          <input type="checkbox" checked={stays} onChange={({ currentTarget }) => setStays(currentTarget.checked)} />
          {texts.keep}
        </label>
        <div role="alert">{refusal && <p class="bad">{texts.refusals[refusal]}</p>}</div>
        <button class="main" type="submit">
          {texts.signIn}
        </button>
      </form>
    </Frame>
  );
}

function Lessons(props: { teacher: Teacher; onSignOut(): void }) {
  const texts = useTexts(TEXTS);
  const [lesson, setLesson] = useState<Lesson>();
  const [busy, setBusy] = useState(true);
  const [failure, setFailure] = useState<string>();
  const [hasPublicKey, setHasPublicKey] = useState(true);
  const attempt = async (begin: () => Promise<Lesson | undefined>) => {
    setBusy(true);
    setFailure(undefined);
    try {
      setLesson(await begin());
    } catch (error) {
      setFailure(error instanceof Error ? error.message : String(error));
    }
    setBusy(false);
  };
  useEffect(() => void attempt(() => findLesson(props.teacher)), [props.teacher]);
  useEffect(() => {
    config().then(
      ({ key }) => setHasPublicKey(key !== null),
      () => {},
    );
  }, []);
  useEffect(() => lesson?.run(), [lesson]);

  if (lesson) return <LessonView lesson={lesson} onAgain={() => setLesson(undefined)} onSignOut={props.onSignOut} />;
  return (
    <Frame title={texts.title} kind="narrow">
      <h1>{texts.start}</h1>
      {!hasPublicKey && <p class="banner">{texts.noKey}</p>}
      <section class="card">
        <p id="minutes">{texts.minutes}</p>
        <div class="row" role="group" aria-labelledby="minutes">
          {MINUTES.map((minutes) => (
            <button
              key={minutes}
              type="button"
              class="main"
              disabled={busy}
              onClick={() => attempt(() => startLesson(props.teacher, minutes))}
            >
              {`${minutes} ${texts.minute}`}
            </button>
          ))}
        </div>
        <p role="status">{busy && texts.looking}</p>
        <div role="alert">
          {failure && (
            <p class="bad">
              {texts.failed} <span lang="en">{failure}</span>
            </p>
          )}
        </div>
      </section>
      <button type="button" class="tight" onClick={props.onSignOut}>
        {texts.signOut}
      </button>
    </Frame>
  );
}

render(<Teach />, document.getElementById("page")!);
