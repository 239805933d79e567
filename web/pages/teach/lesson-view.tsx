import { useState } from "preact/hooks";
import { inHiragana } from "../common/code";
import { Frame } from "../common/frame";
import { useTexts } from "../common/language";
import { useModel, useSeconds } from "../common/model";
import { ClassView } from "./class-view";
import { CodeView } from "./code-view";
import { Controls } from "./controls";
import type { Lesson } from "./lesson";
import { TEXTS } from "./texts";

/** A lesson: its code for the class, or the class for the teacher. */
export function LessonView(props: { lesson: Lesson; onAgain(): void; onSignOut(): void }) {
  const texts = useTexts(TEXTS);
  const lesson = useModel(props.lesson);
  const [shows, setShows] = useState<"code" | "class">("code");
  useSeconds();
  if (lesson.over) {
    return (
      <Frame title={texts.title} kind="narrow">
        <section class="card" role="alert">
          <h1>{texts.over}</h1>
          <button type="button" class="main" onClick={props.onAgain}>
            {texts.again}
          </button>
        </section>
      </Frame>
    );
  }
  const minutes = Math.max(0, Math.ceil((Date.parse(lesson.group.expiresAt) - lesson.mesh.now()) / 60_000));
  const beside = (
    <div class="row small">
      <button type="button" class="tight" onClick={() => setShows(shows === "code" ? "class" : "code")}>
        {shows === "code" ? texts.showClass : texts.showCode}
      </button>
      {shows === "class" && <strong lang="ja">{inHiragana(lesson.code)}</strong>}
      {shows === "class" && <strong>{lesson.code}</strong>}
      <span>{texts.minutesLeft(minutes)}</span>
      <span class={lesson.connection === "connecting" ? "bad" : "good"}>{texts.connections[lesson.connection]}</span>
    </div>
  );
  return (
    <Frame title={texts.title} kind="wide" beside={beside}>
      <h1 class="hidden">{texts.title}</h1>
      <div role="alert">{!lesson.reached && <p class="banner">{texts.offline}</p>}</div>
      {shows === "code" ? (
        <CodeView lesson={lesson} />
      ) : (
        <>
          <Controls lesson={lesson} />
          <ClassView lesson={lesson} />
          <button type="button" class="tight" onClick={props.onSignOut}>
            {texts.signOut}
          </button>
        </>
      )}
    </Frame>
  );
}
