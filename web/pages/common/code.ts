// Join codes and labels of ids: hexadecimal digits, which the Smalruby editor shows in hiragana.

const HIRAGANA = "いしかたうんてとのつはこになくき";
const DIGITS = "0123456789abcdef";

/** Six hexadecimal digits from what a person typed: digits, hiragana or katakana, in any width. */
export function parseCode(text: string): string | undefined {
  const letters = [...text.normalize("NFKC").toLowerCase().replace(/[\s・-]/g, "")];
  const digits = letters.map(digit);
  return digits.length === 6 && digits.every((it) => it !== undefined) ? digits.join("") : undefined;
}

function digit(letter: string): string | undefined {
  if (DIGITS.includes(letter)) return letter;
  // Katakana stands 96 places behind hiragana.
  const hiragana = /[ァ-ヶ]/.test(letter) ? String.fromCharCode(letter.charCodeAt(0) - 96) : letter;
  return DIGITS[HIRAGANA.indexOf(hiragana)];
}

/** Digits as the editor shows them. */
export const inHiragana = (digits: string) => [...digits].map((it) => HIRAGANA[DIGITS.indexOf(it)] ?? it).join("");

/** A node's label, for one without a nickname. */
export const labelOf = (nodeId: string) => inHiragana(nodeId.slice(0, 6).toLowerCase());
