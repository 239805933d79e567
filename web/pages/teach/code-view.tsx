import { useEffect, useMemo, useState } from "preact/hooks";
import { encode } from "uqr";
import { inHiragana } from "../common/code";
import { useTexts } from "../common/language";
import { ROOT, config, joinUrl } from "../common/server";
import type { Lesson } from "./lesson";
import { TEXTS } from "./texts";

/** Modules of paper around a QR code, which readers need. */
const QUIET = 4;

const isOwn = (host: string) => /^(localhost|127\.[\d.]+|\[::1\])$/.test(host);

/** Where the class reaches the server: a page opened as localhost asks for this machine's addresses. */
function useRoots(): string[] | undefined {
  const [roots, setRoots] = useState<string[] | undefined>(isOwn(location.hostname) ? undefined : [ROOT.href]);
  useEffect(() => {
    if (roots) return;
    config().then(
      ({ addresses }) => setRoots(addresses),
      () => setRoots([]),
    );
  }, []);
  return roots;
}

/** The code, for the projector. */
export function CodeView({ lesson }: { lesson: Lesson }) {
  const texts = useTexts(TEXTS);
  const roots = useRoots();
  const [chosen, setChosen] = useState<string>();
  const root = chosen ?? roots?.[0] ?? ROOT.href;
  const address = joinUrl(root, lesson.code);
  return (
    <section class="projector" aria-label={texts.code}>
      <div>
        <p class="address">{texts.openAddress}</p>
        <p class="address">
          <strong>{roots && new URL("join", root).href}</strong>
        </p>
        <p class="kana" lang="ja">
          {inHiragana(lesson.code)}
        </p>
        <p class="digits">{lesson.code}</p>
        <p class="count" role="status">
          {texts.joined(lesson.state.members.length)}
        </p>
        {roots?.length === 0 && <p class="banner">{texts.onlyHere}</p>}
        {roots && roots.length > 1 && (
          <p>
            <label for="root">{texts.address}</label>
            <select id="root" value={root} onChange={({ currentTarget }) => setChosen(currentTarget.value)}>
              {roots.map((it) => (
                <option key={it} value={it}>
                  {it}
                </option>
              ))}
            </select>
          </p>
        )}
        <p class="small soft">{texts.noSecret}</p>
      </div>
      {roots && <QrCode text={address} />}
    </section>
  );
}

function QrCode({ text }: { text: string }) {
  const { data, size } = useMemo(() => encode(text, { border: QUIET }), [text]);
  const dark = data.flatMap((row, y) => row.map((is, x) => (is ? `M${x} ${y}h1v1h-1z` : "")));
  return (
    <svg class="qr" viewBox={`0 0 ${size} ${size}`} role="img" aria-label={text} shape-rendering="crispEdges">
      <path d={dark.join("")} fill="#000" />
    </svg>
  );
}
