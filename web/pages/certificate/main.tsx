// The certificate of a server that made its own, and how a device comes to trust it.
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";
import { render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Frame } from "../common/frame";
import { useTexts } from "../common/language";
import { ROOT } from "../common/server";
import { TEXTS } from "./texts";

const FILE = new URL("certificate/mesh-v2-ca.crt", ROOT).href;

/** The sum by which devices and people tell certificates apart; null if the server made none. */
function useFingerprint(): string | null | undefined {
  const [found, setFound] = useState<string | null>();
  useEffect(() => {
    fingerprint().then(setFound, () => setFound(null));
  }, []);
  return found;
}

async function fingerprint(): Promise<string | null> {
  const response = await fetch(FILE, { cache: "no-store" });
  if (!response.ok) return null;
  const text = (await response.text()).replace(/-----[^-]+-----|\s/g, "");
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return bytesToHex(sha256(bytes)).toUpperCase().match(/../g)!.join(":");
}

function Certificate() {
  const texts = useTexts(TEXTS);
  const found = useFingerprint();
  return (
    <Frame title={texts.title} kind="narrow">
      <h1>{texts.title}</h1>
      {found === null && <p class="banner">{texts.none}</p>}
      {found && (
        <>
          <p>{texts.why}</p>
          <p>
            <a class="button main" href={FILE}>
              {texts.load}
            </a>
          </p>
          <p class="small">
            {texts.compare} <code>{found}</code>
          </p>
          <p class="small">{texts.care}</p>
          {texts.devices.map(({ name, steps }) => (
            <details class="card" key={name}>
              <summary>{name}</summary>
              <ol>
                {steps.map((step) => (
                  <li key={step}>{step}</li>
                ))}
              </ol>
            </details>
          ))}
        </>
      )}
    </Frame>
  );
}

render(<Certificate />, document.getElementById("page")!);
