import type { Texts } from "../common/language";

const en = {
  title: "Projects that talk to each other",
  what: "Mesh v2 connects the Scratch and Smalruby projects of a class: they share values and send events, in real time.",
  join: "Join a lesson",
  joinHow: "Type the code that your teacher shows.",
  teach: "Teach",
  teachHow: "Start a lesson, show its code to the class, and see what happens in it.",
  teachGo: "Start a lesson",
  network: "Check the network",
  networkHow: "Find out whether your school's network lets Mesh through.",
  networkGo: "Check",
  developers: "For developers",
  developersHow: "Try the GraphQL API here. It is described in docs/api.md of the source.",
};

export const TEXTS: Texts<typeof en> = {
  en,
  ja: {
    title: "作品どうしがつながる",
    what: "Mesh v2 は、クラスの Scratch や Smalruby の作品をつなぎます。値を共有し、イベントを送り合えます。",
    join: "授業に参加する",
    joinHow: "先生が見せるコードを入力してください。",
    teach: "先生",
    teachHow: "授業を始めてコードをクラスに見せ、グループの様子を確認できます。",
    teachGo: "授業を始める",
    network: "ネットワークを調べる",
    networkHow: "学校のネットワークで Mesh が使えるかを確認します。",
    networkGo: "調べる",
    developers: "開発者向け",
    developersHow: "GraphQL API を試せます。説明はソースの docs/api.md にあります。",
  },
  "ja-Hira": {
    title: "さくひんどうしが つながる",
    what: "Mesh v2 は、クラスの Scratch や Smalruby の さくひんを つなぎます。あたいや イベントを おくりあえます。",
    join: "じゅぎょうに さんかする",
    joinHow: "せんせいが みせる コードを いれてください。",
    teach: "せんせい",
    teachHow: "じゅぎょうを はじめて コードを クラスに みせ、ようすを みることが できます。",
    teachGo: "じゅぎょうを はじめる",
    network: "ネットワークを しらべる",
    networkHow: "がっこうの ネットワークで Mesh が つかえるか しらべます。",
    networkGo: "しらべる",
    developers: "かいはつしゃの ひとへ",
    developersHow: "GraphQL API を ためせます。せつめいは ソースの docs/api.md に あります。",
  },
};
