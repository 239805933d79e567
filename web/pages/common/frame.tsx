import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { LanguageSwitch } from "./language";
import { ROOT } from "./server";

/** The page's head and its content. */
export function Frame(props: {
  title: string;
  kind?: "narrow" | "wide";
  beside?: ComponentChildren;
  children: ComponentChildren;
}) {
  useEffect(() => void (document.title = `${props.title} · Mesh v2`), [props.title]);
  return (
    <>
      <header class="top">
        <a class="brand" href={ROOT.href}>
          Mesh v2
        </a>
        {props.beside}
        <LanguageSwitch />
      </header>
      <main class={props.kind}>{props.children}</main>
    </>
  );
}
