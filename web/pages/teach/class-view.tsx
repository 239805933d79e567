import { useState } from "preact/hooks";
import { type Variable, shown } from "../common/class";
import { labelOf } from "../common/code";
import type { Member } from "../../../clients/js/src";
import { focused } from "../common/focus";
import { timeOfDay, useTexts } from "../common/language";
import type { Lesson } from "./lesson";
import { TEXTS } from "./texts";

/** Events in the list, and how much of the past the strip above it shows. */
const EVENTS = 40;
const STRIP_MS = 60_000;

/** Who is there, and what they do. */
export function ClassView({ lesson }: { lesson: Lesson }) {
  return (
    <>
      <Members lesson={lesson} />
      <div class="cards pairs">
        <Variables lesson={lesson} />
        <Events lesson={lesson} />
      </div>
    </>
  );
}

function Members({ lesson }: { lesson: Lesson }) {
  const texts = useTexts(TEXTS);
  const members = lesson.state.sortedMembers();
  return (
    <section class="card">
      <h2>{`${texts.members}: ${members.length}`}</h2>
      {members.length === 0 ? (
        <p class="soft">{texts.none}</p>
      ) : (
        <div class="scroll" tabIndex={0}>
          <table>
            <thead>
              <tr>
                <th>{texts.name}</th>
                <th>{texts.label}</th>
                <th>{texts.transport}</th>
                <th>{texts.seen}</th>
                <th>
                  <span class="hidden">{texts.remove}</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {members.map((member) => (
                <MemberRow key={member.id} lesson={lesson} member={member} />
              ))}
            </tbody>
          </table>
        </div>
      )}
      <p class="small soft">{texts.removeHow}</p>
    </section>
  );
}

function MemberRow({ lesson, member }: { lesson: Lesson; member: Member }) {
  const texts = useTexts(TEXTS);
  const [asks, setAsks] = useState(false);
  const name = lesson.state.nameOf(member.id);
  const seen = Date.parse(member.lastSeenAt ?? "");
  const ago = Math.max(0, Math.round((lesson.mesh.now() - seen) / 1_000));
  return (
    <tr>
      <td>{name}</td>
      <td lang="ja">{labelOf(member.id)}</td>
      <td>{member.transport ?? "–"}</td>
      <td>{Number.isFinite(ago) && texts.ago(ago)}</td>
      <td>
        {asks ? (
          <span class="row">
            <strong>{texts.reallyRemove(name)}</strong>
            <button
              type="button"
              class="tight danger"
              onClick={() => lesson.remove(member.id).catch(() => setAsks(false))}
            >
              {texts.yes}
            </button>
            <button type="button" class="tight" onClick={() => setAsks(false)} ref={focused}>
              {texts.no}
            </button>
          </span>
        ) : (
          <button type="button" class="tight" onClick={() => setAsks(true)}>
            {texts.remove}
            <span class="hidden"> {name}</span>
          </button>
        )}
      </td>
    </tr>
  );
}

function Variables({ lesson }: { lesson: Lesson }) {
  const texts = useTexts(TEXTS);
  const variables = lesson.state.sorted();
  return (
    <section class="card">
      <h2>{texts.variables}</h2>
      {variables.length === 0 ? (
        <p class="soft">{texts.noVariables}</p>
      ) : (
        <div class="scroll" tabIndex={0}>
          <table>
            <thead>
              <tr>
                <th>{texts.name}</th>
                <th colSpan={2}>{texts.variable}</th>
                <th>{texts.course}</th>
              </tr>
            </thead>
            <tbody>
              {variables.map((it) => (
                <tr key={JSON.stringify([it.nodeId, it.key])}>
                  <td>{lesson.state.nameOf(it.nodeId)}</td>
                  <td>{shown(it.key)}</td>
                  <td>{shown(it.value)}</td>
                  <td>
                    <Sparkline variable={it} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

/** A variable's last numbers; nothing for one that is no number. */
function Sparkline({ variable: { points } }: { variable: Variable }) {
  if (points.length < 2) return null;
  const [least, most] = [Math.min(...points), Math.max(...points)];
  const y = (value: number) => 18 - (most === least ? 8 : (16 * (value - least)) / (most - least));
  const x = (index: number) => 2 + (96 * index) / (points.length - 1);
  const line = points.map((value, index) => `${x(index).toFixed(1)},${y(value).toFixed(1)}`).join(" ");
  return (
    <svg class="spark" viewBox="0 0 100 20" preserveAspectRatio="none" role="img" aria-label={`${least} – ${most}`}>
      <polyline points={line} vector-effect="non-scaling-stroke" />
    </svg>
  );
}

function Events({ lesson }: { lesson: Lesson }) {
  const texts = useTexts(TEXTS);
  const { state } = lesson;
  const now = Date.now();
  const recent = state.events.filter(({ at }) => at > now - STRIP_MS);
  const x = (at: number) => 100 - (100 * (now - at)) / STRIP_MS;
  return (
    <section class="card">
      <h2>{texts.events}</h2>
      <p class="figures soft">{texts.rates(state.reports.perSecond().toFixed(1), state.fires.perSecond().toFixed(1))}</p>
      <svg class="strip" viewBox="0 0 100 10" preserveAspectRatio="none" role="img" aria-label={texts.lastMinute}>
        <path
          d={recent.map(({ at }) => `M${x(at).toFixed(2)} 1v8`).join("")}
          vector-effect="non-scaling-stroke"
        />
      </svg>
      {state.events.length === 0 ? (
        <p class="soft">{texts.noEvents}</p>
      ) : (
        <ol class="log" tabIndex={0}>
          {state.events
            .slice(-EVENTS)
            .reverse()
            .map((event) => (
              <li key={event.number}>
                <time>{timeOfDay(event.at)}</time> <strong>{state.nameOf(event.nodeId)}</strong>{" "}
                {`${texts.own[event.name] ?? shown(event.name)} ${shown(event.payload)}`}
              </li>
            ))}
        </ol>
      )}
    </section>
  );
}
