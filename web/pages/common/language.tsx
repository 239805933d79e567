import { useEffect, useState } from "preact/hooks";
import { onMachine } from "./kept";

/** English, Japanese, and easy Japanese in hiragana as in the Smalruby editor. */
export const LANGUAGES = { ja: "日本語", "ja-Hira": "にほんご", en: "English" } as const;
export type Language = keyof typeof LANGUAGES;
export type Texts<T> = Record<Language, T>;

const isLanguage = (name: unknown): name is Language => typeof name === "string" && name in LANGUAGES;
const changed = new Set<() => void>();
let language = choose();
document.documentElement.lang = language;

/** That of `?lang=`, else the one chosen before, else the browser's. */
function choose(): Language {
  const asked = new URLSearchParams(location.search).get("lang") ?? onMachine.get("language");
  if (isLanguage(asked)) return asked;
  const first = navigator.languages.find((it) => /^(ja|en)\b/.test(it));
  if (!first) return "en";
  return /^ja-hira/i.test(first) ? "ja-Hira" : first.startsWith("ja") ? "ja" : "en";
}

function use(name: Language) {
  language = name;
  onMachine.set("language", name);
  document.documentElement.lang = name;
  for (const notify of changed) notify();
}

/** The texts in the language of the page; the component is rendered again when it changes. */
export function useTexts<T>(texts: Texts<T>): T {
  const [, render] = useState({});
  useEffect(() => {
    const notify = () => render({});
    changed.add(notify);
    return () => void changed.delete(notify);
  }, []);
  return texts[language];
}

/** How times of day are written. */
export const timeOfDay = (time: number) =>
  new Date(time).toLocaleTimeString(language, { hour: "2-digit", minute: "2-digit", second: "2-digit" });

export function LanguageSwitch() {
  useTexts({ ja: "", "ja-Hira": "", en: "" });
  return (
    <nav class="languages" aria-label="Language · ことば">
      {Object.entries(LANGUAGES).map(([name, label]) => (
        <button
          type="button"
          lang={name}
          aria-pressed={name === language}
          onClick={() => isLanguage(name) && use(name)}
        >
          {label}
        </button>
      ))}
    </nav>
  );
}
