import { useState } from "preact/hooks";
import { focused } from "../common/focus";
import { useTexts } from "../common/language";
import type { Lesson } from "./lesson";
import { TEXTS } from "./texts";

/** How long a pause may be asked to last, in minutes. */
const PAUSES = [1, 3, 5];

/** What the teacher does with the lesson as a whole. */
export function Controls({ lesson }: { lesson: Lesson }) {
  const texts = useTexts(TEXTS);
  const [failure, setFailure] = useState<string>();
  const [ending, setEnding] = useState(false);
  const { locked, chatMuted } = lesson.group;
  const until = lesson.pausedUntil;
  const act = async (action: () => Promise<void>) => {
    setFailure(undefined);
    try {
      await action();
    } catch (error) {
      setFailure(error instanceof Error ? error.message : String(error));
    }
  };
  return (
    <section class="card">
      <h2>{texts.controls}</h2>
      <div class="row">
        <button type="button" aria-pressed={!!locked} onClick={() => act(() => lesson.lock(!locked))}>
          {locked ? texts.unlock : texts.lock}
        </button>
        {until ? (
          <>
            <strong>{texts.pausedFor(Math.ceil((until - lesson.mesh.now()) / 1_000))}</strong>
            <button type="button" class="main" onClick={() => act(() => lesson.pause(0))}>
              {texts.resume}
            </button>
          </>
        ) : (
          <span class="row" role="group" aria-label={texts.pause}>
            <span>{texts.pause}</span>
            {PAUSES.map((minutes) => (
              <button key={minutes} type="button" onClick={() => act(() => lesson.pause(minutes * 60))}>
                {`${minutes} ${texts.minute}`}
              </button>
            ))}
          </span>
        )}
        <button type="button" aria-pressed={!!chatMuted} onClick={() => act(() => lesson.mute(!chatMuted))}>
          {chatMuted ? texts.unmute : texts.mute}
        </button>
        <button type="button" onClick={() => act(() => lesson.clear())}>
          {texts.clear}
        </button>
        {ending ? (
          <span class="row" role="group" aria-label={texts.reallyEnd}>
            <strong>{texts.reallyEnd}</strong>
            <button type="button" class="danger" onClick={() => act(() => lesson.end())}>
              {texts.yes}
            </button>
            <button type="button" onClick={() => setEnding(false)} ref={focused}>
              {texts.no}
            </button>
          </span>
        ) : (
          <button type="button" class="danger" onClick={() => setEnding(true)}>
            {texts.end}
          </button>
        )}
      </div>
      <div role="alert">
        {failure && (
          <p class="bad">
            {texts.failed} <span lang="en">{failure}</span>
          </p>
        )}
      </div>
    </section>
  );
}
