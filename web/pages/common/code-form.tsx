import { useState } from "preact/hooks";
import { parseCode } from "./code";
import { focused } from "./focus";
import { type Texts, useTexts } from "./language";

const TEXTS: Texts<{ label: string; example: string; join: string; wrong: string }> = {
  en: { label: "Code", example: "such as 3fa2b1", join: "Join", wrong: "A code has 6 digits (0–9, a–f) or 6 hiragana." },
  ja: { label: "コード", example: "例: たきはかこし", join: "参加する", wrong: "コードは 6 けたの数字（0–9、a–f）か、ひらがな 6 文字です。" },
  "ja-Hira": { label: "コード", example: "れい: たきはかこし", join: "さんかする", wrong: "コードは 6 けたの すうじ（0–9、a–f）か、ひらがな 6 もじ です。" },
};

/** Where a join code is typed. */
export function CodeForm(props: { onCode(code: string): void; autofocus?: boolean }) {
  const texts = useTexts(TEXTS);
  const [text, setText] = useState("");
  const [wrong, setWrong] = useState(false);
  const submit = (event: Event) => {
    event.preventDefault();
    const code = parseCode(text);
    setWrong(!code);
    if (code) props.onCode(code);
  };
  return (
    <form onSubmit={submit}>
      <div>
        <label for="code">{texts.label}</label>
        <input
          id="code"
          class="code"
          value={text}
          onInput={({ currentTarget }) => setText(currentTarget.value)}
          placeholder={texts.example}
          autocomplete="off"
          autocapitalize="none"
          spellcheck={false}
          maxLength={24}
          ref={props.autofocus ? focused : undefined}
          aria-invalid={wrong}
          aria-describedby={wrong ? "code-wrong" : undefined}
        />
      </div>
      {wrong && (
        <p class="bad" id="code-wrong" role="alert">
          {texts.wrong}
        </p>
      )}
      <button class="main" type="submit">
        {texts.join}
      </button>
    </form>
  );
}
