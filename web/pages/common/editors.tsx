// How a pupil plays with a Scratch project of their own: addresses to copy into an editor.
import { useState } from "preact/hooks";
import { type Texts, useTexts } from "./language";
import { ROOT } from "./server";

const en = {
  title: "Play with your own Scratch project",
  extension: "The blocks: address for “Custom extension” in TurboWarp",
  xcratch: "The blocks in Xcratch: address for “Extension loader”",
  link: "In the block “join”, write the code, or this link:",
  cloud: "Cloud variables (☁): address of this lesson, for the TurboWarp packager",
  number: "A project of scratch.mit.edu with cloud variables: its number",
  open: "Play it in TurboWarp",
  insecure: "turbowarp.org is a page over https: it reaches only servers over https. Ask your teacher for such an address.",
  smalruby: "Smalruby: in an editor for this server, choose Mesh and type the code in hiragana.",
  how: "All editors, step by step: docs/scratch-editors.md of the source.",
};

const TEXTS: Texts<typeof en> = {
  en,
  ja: {
    title: "自分の Scratch 作品で遊ぶ",
    extension: "ブロック: TurboWarp の「カスタム拡張機能」に入れるアドレス",
    xcratch: "Xcratch のブロック: 「拡張機能ローダー」に入れるアドレス",
    link: "ブロック「参加する」には、コードか、このリンクを入れます。",
    cloud: "クラウド変数（☁）: TurboWarp Packager に入れる、この授業のアドレス",
    number: "クラウド変数を使う scratch.mit.edu の作品の番号",
    open: "TurboWarp で遊ぶ",
    insecure: "turbowarp.org は https のページなので、https のサーバーにだけつながります。先生に https のアドレスを聞いてください。",
    smalruby: "Smalruby: このサーバー用のエディターでメッシュを選び、コードをひらがなで入れます。",
    how: "エディターごとの手順は、ソースの docs/scratch-editors.ja.md にあります。",
  },
  "ja-Hira": {
    title: "じぶんの Scratch さくひんで あそぶ",
    extension: "ブロック: TurboWarp の「カスタムかくちょうきのう」に いれる アドレス",
    xcratch: "Xcratch の ブロック: 「かくちょうきのうローダー」に いれる アドレス",
    link: "ブロック「さんかする」には、コードか、この リンクを いれます。",
    cloud: "クラウドへんすう（☁）: TurboWarp Packager に いれる、この じゅぎょうの アドレス",
    number: "クラウドへんすうを つかう scratch.mit.edu の さくひんの ばんごう",
    open: "TurboWarp で あそぶ",
    insecure: "turbowarp.org は https の ページです。https の サーバーにだけ つながります。せんせいに https の アドレスを きいてください。",
    smalruby: "Smalruby: この サーバーの エディターで メッシュを えらび、コードを ひらがなで いれます。",
    how: "エディターごとの やりかたは、ソースの docs/scratch-editors.ja.md に あります。",
  },
};

/** Pages over https reach this machine by any scheme, and other ones over https alone. */
const isReached = ROOT.protocol === "https:" || /^(localhost|127\.0\.0\.1|\[::1\])$/.test(ROOT.hostname);

const to = (path: string) => new URL(path, ROOT).href;
const toCloud = (code: string) => to(`cloud/${code}`).replace(/^http/, "ws");
/** TurboWarp's player: its editor leaves cloud variables alone. */
const toTurboWarp = (number: string, code: string) =>
  `https://turbowarp.org/${number}?cloud_host=${encodeURIComponent(toCloud(code))}`;

/** The addresses for a lesson's code; without one, those that all lessons have. */
export function Editors(props: { code?: string }) {
  const texts = useTexts(TEXTS);
  const { code } = props;
  return (
    <details class="card">
      <summary>{texts.title}</summary>
      <Address label={texts.extension} value={to("extension/mesh.js")} />
      <Address label={texts.xcratch} value={to("extension/mesh.mjs")} />
      {code && <Address label={texts.link} value={to(`join/${code}`)} />}
      {code && <Address label={texts.cloud} value={toCloud(code)} />}
      {code && isReached && <TurboWarp code={code} />}
      {!isReached && <p class="small">{texts.insecure}</p>}
      <p class="small">{texts.smalruby}</p>
      <p class="small soft">{texts.how}</p>
    </details>
  );
}

function Address(props: { label: string; value: string }) {
  return (
    <label>
      {props.label}
      <input readOnly value={props.value} onFocus={({ currentTarget }) => currentTarget.select()} />
    </label>
  );
}

function TurboWarp(props: { code: string }) {
  const texts = useTexts(TEXTS);
  const [number, setNumber] = useState("");
  return (
    <div>
      <label>
        {texts.number}
        <input inputMode="numeric" onInput={({ currentTarget }) => setNumber(/\d+/.exec(currentTarget.value)?.[0] ?? "")} />
      </label>
      {number && (
        <a class="button" href={toTurboWarp(number, props.code)} rel="noreferrer">
          {texts.open}
        </a>
      )}
    </div>
  );
}
