import { useEffect, useRef, useState } from "preact/hooks";
import { BUZZ, CHAT, shown } from "../common/class";
import { inHiragana } from "../common/code";
import { Frame } from "../common/frame";
import { timeOfDay, useTexts } from "../common/language";
import { useModel, useSeconds } from "../common/model";
import type { Lesson, Trouble } from "./lesson";
import { TEXTS } from "./texts";

/** Buzzes and events that are shown. */
const SHOWN = 12;

/** A lesson as a pupil sees it. */
export function LessonView(props: { lesson: Lesson; onOther(): void }) {
  const texts = useTexts(TEXTS);
  const lesson = useModel(props.lesson);
  const [trouble, setTrouble] = useState<Trouble>();
  const { state, ending } = lesson;
  if (ending) {
    return (
      <Frame title={texts.lesson} kind="narrow">
        <section class="card" role="alert">
          <h1>{texts.endings[ending]}</h1>
          <button type="button" onClick={props.onOther}>
            {texts.otherCode}
          </button>
        </section>
      </Frame>
    );
  }
  const sent = (it: Promise<Trouble | undefined>) => it.then(setTrouble);
  const events = state.events.filter(({ name }) => name !== CHAT && name !== BUZZ).slice(-SHOWN);
  return (
    <Frame title={texts.lesson} beside={<Head lesson={lesson} />}>
      <h1 class="hidden">{texts.lesson}</h1>
      <Paused lesson={lesson} />
      <div role="alert">{trouble && !lesson.pausedUntil && <p class="bad">{texts.troubles[trouble]}</p>}</div>
      <div class="cards">
        <section class="card">
          <h2>{texts.buzzer}</h2>
          <p>
            <button type="button" class="main buzzer" onClick={() => sent(lesson.buzz())}>
              {texts.buzzer}
            </button>
          </p>
          <h3>{texts.buzzed}</h3>
          <Happened lesson={lesson} events={state.events.filter(({ name }) => name === BUZZ).slice(-SHOWN)} />
        </section>
        <Chat lesson={lesson} sent={sent} />
        <Values lesson={lesson} sent={sent} />
        {events.length > 0 && (
          <section class="card">
            <h2>{texts.events}</h2>
            <Happened lesson={lesson} events={events} named />
          </section>
        )}
      </div>
    </Frame>
  );
}

type Sent = (it: Promise<Trouble | undefined>) => Promise<void>;

function Head({ lesson }: { lesson: Lesson }) {
  const texts = useTexts(TEXTS);
  const code = lesson.mesh.code ?? "";
  return (
    <div class="row small">
      <span title={code}>{inHiragana(code)}</span>
      <span>
        {texts.you}: <strong>{lesson.self.nickname}</strong>
      </span>
      <span role="status" class={lesson.connection === "connecting" ? "bad" : "good"}>
        {texts.connections[lesson.connection]}
      </span>
      <button type="button" class="tight" onClick={() => lesson.leave()}>
        {texts.leave}
      </button>
    </div>
  );
}

function Paused({ lesson }: { lesson: Lesson }) {
  const texts = useTexts(TEXTS);
  useSeconds();
  const until = lesson.pausedUntil;
  const seconds = until && Math.ceil((until - lesson.mesh.now()) / 1_000);
  return (
    <div role="status">
      {until && (
        <p class="banner">
          {texts.paused} <span aria-hidden="true">{`${seconds} ${texts.seconds}`}</span>
        </p>
      )}
    </div>
  );
}

function Happened(props: { lesson: Lesson; events: Lesson["state"]["events"]; named?: boolean }) {
  const texts = useTexts(TEXTS);
  if (props.events.length === 0) return <p class="soft">{texts.nobody}</p>;
  return (
    <ol class="log" tabIndex={0}>
      {[...props.events].reverse().map((event) => (
        <li key={event.number}>
          <time>{timeOfDay(event.at)}</time> <strong>{props.lesson.state.nameOf(event.nodeId)}</strong>
          {props.named && ` ${shown(event.name)} ${shown(event.payload)}`}
        </li>
      ))}
    </ol>
  );
}

function Values({ lesson, sent }: { lesson: Lesson; sent: Sent }) {
  const texts = useTexts(TEXTS);
  const [key, setKey] = useState("");
  const [value, setValue] = useState("");
  const variables = lesson.state.sorted();
  const submit = (event: Event) => {
    event.preventDefault();
    void sent(lesson.report(key.trim(), value));
  };
  return (
    <section class="card">
      <h2>{texts.values}</h2>
      <form onSubmit={submit}>
        <div class="row">
          <div class="grow">
            <label for="key">{texts.key}</label>
            <input id="key" value={key} onInput={({ currentTarget }) => setKey(currentTarget.value)} maxLength={40} required />
          </div>
          <div class="grow">
            <label for="value">{texts.value}</label>
            <input id="value" value={value} onInput={({ currentTarget }) => setValue(currentTarget.value)} maxLength={200} />
          </div>
        </div>
        <button type="submit">
          {texts.send}
          <span class="hidden"> {texts.value}</span>
        </button>
      </form>
      {variables.length > 0 && (
        <div class="scroll" tabIndex={0}>
          <table>
            <thead>
              <tr>
                <th>{texts.who}</th>
                <th>{texts.key}</th>
                <th>{texts.value}</th>
              </tr>
            </thead>
            <tbody>
              {variables.map((it) => (
                <tr key={JSON.stringify([it.nodeId, it.key])}>
                  <td>{lesson.state.nameOf(it.nodeId)}</td>
                  <td>{shown(it.key)}</td>
                  <td>{shown(it.value)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

function Chat({ lesson, sent }: { lesson: Lesson; sent: Sent }) {
  const texts = useTexts(TEXTS);
  const [line, setLine] = useState("");
  const log = useRef<HTMLUListElement>(null);
  const lines = lesson.state.chat();
  const newest = lines[lines.length - 1]?.number;
  useEffect(() => log.current?.scrollTo(0, log.current.scrollHeight), [newest]);
  const submit = (event: Event) => {
    event.preventDefault();
    const text = line.trim();
    if (text) void sent(lesson.say(text));
    setLine("");
  };
  return (
    <section class="card">
      <h2>{texts.chat}</h2>
      {lesson.group.chatMuted ? (
        <p role="status">{texts.muted}</p>
      ) : (
        <>
          <div role="log" aria-label={texts.chat}>
            <ul class="log" ref={log} tabIndex={0}>
              {lines.map((event) => (
                <li key={event.number}>
                  <strong>{lesson.state.nameOf(event.nodeId)}</strong> {shown(event.payload)}
                </li>
              ))}
            </ul>
          </div>
          <form onSubmit={submit}>
            <label for="line">{texts.line}</label>
            <div class="row">
              <div class="grow">
                <input
                  id="line"
                  value={line}
                  onInput={({ currentTarget }) => setLine(currentTarget.value)}
                  maxLength={200}
                  autocomplete="off"
                />
              </div>
              <button type="submit">
                {texts.send}
                <span class="hidden"> {texts.line}</span>
              </button>
            </div>
          </form>
        </>
      )}
    </section>
  );
}
