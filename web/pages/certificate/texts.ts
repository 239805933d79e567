import type { Texts } from "../common/language";

const en = {
  title: "Trust this server's certificate",
  none: "This server has no certificate of its own: there is nothing to install.",
  why: "This server made its certificate itself. A device opens its https addresses after it was told to trust it.",
  load: "Load the certificate",
  compare: "Compare this fingerprint (SHA-256) with the one on the server before you install it:",
  care: "Install it only on devices of the school, and only if your school runs this server. It certifies this one server and nothing else.",
  devices: [
    {
      name: "iPad, iPhone",
      steps: [
        "Open this page in Safari and load the certificate. Allow the profile.",
        "Settings → General → VPN & Device Management: choose the profile and install it.",
        "Settings → General → About → Certificate Trust Settings: switch it on.",
      ],
    },
    {
      name: "Chromebook",
      steps: [
        "Load the certificate.",
        "Open chrome://certificate-manager, then Installed by you, Trusted Certificates, Import.",
        "For all Chromebooks of a school: Google Admin console → Devices → Networks → Certificates.",
      ],
    },
    {
      name: "Windows",
      steps: [
        "Load the certificate and open it. Choose Install Certificate, Current User.",
        "Choose the store Trusted Root Certification Authorities, and finish.",
        "For all PCs of a school: Group Policy, or Intune's trusted certificate profile.",
      ],
    },
    {
      name: "Mac",
      steps: [
        "Load the certificate and open it: Keychain Access shows it.",
        "Open it there, Trust, and choose Always Trust.",
      ],
    },
    {
      name: "Android",
      steps: [
        "Load the certificate.",
        "Settings → Security → More → Install from storage → CA certificate (the names differ between makers).",
      ],
    },
  ],
};

export const TEXTS: Texts<typeof en> = {
  en,
  ja: {
    title: "このサーバーの証明書を信頼する",
    none: "このサーバーは自作の証明書を使っていません。インストールするものはありません。",
    why: "このサーバーは証明書を自分で作りました。端末に信頼させると、https のアドレスを開けます。",
    load: "証明書をダウンロード",
    compare: "インストールする前に、このフィンガープリント(SHA-256)をサーバーのものと比べてください:",
    care: "学校の端末だけに、学校がこのサーバーを運用しているときだけ、インストールしてください。この証明書はこのサーバーだけを証明します。",
    devices: [
      {
        name: "iPad、iPhone",
        steps: [
          "Safari でこのページを開き、証明書をダウンロードして、プロファイルを許可します。",
          "設定 → 一般 → VPN とデバイス管理 でプロファイルを選び、インストールします。",
          "設定 → 一般 → 情報 → 証明書信頼設定 でオンにします。",
        ],
      },
      {
        name: "Chromebook",
        steps: [
          "証明書をダウンロードします。",
          "chrome://certificate-manager を開き、自分でインストール → 信頼できる証明書 → インポート を選びます。",
          "学校の Chromebook すべてに入れるときは、Google 管理コンソール → デバイス → ネットワーク → 証明書 を使います。",
        ],
      },
      {
        name: "Windows",
        steps: [
          "証明書をダウンロードして開き、「証明書のインストール」「現在のユーザー」を選びます。",
          "ストアに「信頼されたルート証明機関」を選び、完了します。",
          "学校の PC すべてに入れるときは、グループポリシーか Intune の信頼された証明書プロファイルを使います。",
        ],
      },
      {
        name: "Mac",
        steps: [
          "証明書をダウンロードして開くと、キーチェーンアクセスに表示されます。",
          "そこで開き、「信頼」で「常に信頼」を選びます。",
        ],
      },
      {
        name: "Android",
        steps: [
          "証明書をダウンロードします。",
          "設定 → セキュリティ → その他 → ストレージからインストール → CA 証明書(名前は機種によります)。",
        ],
      },
    ],
  },
  "ja-Hira": {
    title: "この サーバーの しょうめいしょを しんらいする",
    none: "この サーバーには じぶんで つくった しょうめいしょが ありません。なにも しなくて いいです。",
    why: "この サーバーは しょうめいしょを じぶんで つくりました。いれると https の アドレスを ひらけます。",
    load: "しょうめいしょを ダウンロード",
    compare: "いれる まえに、この ばんごう(SHA-256)を サーバーの ものと くらべてください:",
    care: "がっこうの たんまつ だけに、せんせいが いれて ください。",
    devices: [
      {
        name: "iPad、iPhone",
        steps: [
          "Safari で この ページを ひらき、しょうめいしょを ダウンロードして、きょかします。",
          "せってい → いっぱん → VPN と デバイスかんり で えらび、いれます。",
          "せってい → いっぱん → じょうほう → しょうめいしょ しんらい せってい で オンに します。",
        ],
      },
      {
        name: "Chromebook",
        steps: [
          "しょうめいしょを ダウンロードします。",
          "chrome://certificate-manager を ひらき、じぶんで インストール → しんらいできる しょうめいしょ → インポート を えらびます。",
          "がっこうの すべての Chromebook には Google かんり コンソールで いれます。",
        ],
      },
      {
        name: "Windows",
        steps: [
          "しょうめいしょを ダウンロードして ひらき、「証明書のインストール」「現在のユーザー」を えらびます。",
          "ストアに「信頼されたルート証明機関」を えらびます。",
          "がっこうの すべての PC には グループポリシーか Intune で いれます。",
        ],
      },
      {
        name: "Mac",
        steps: [
          "しょうめいしょを ダウンロードして ひらきます。",
          "キーチェーンアクセスで ひらき、「信頼」で「常に信頼」を えらびます。",
        ],
      },
      {
        name: "Android",
        steps: [
          "しょうめいしょを ダウンロードします。",
          "せってい → セキュリティ → その他 → ストレージから → CA しょうめいしょ(きしゅで なまえが ちがいます)。",
        ],
      },
    ],
  },
};
