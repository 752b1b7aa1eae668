// Asks a question and shows the answer as it is written, with what it stands on.
import { signal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import { AnswerText, Cost, Proofs, ReadPassages, Statement, Tree } from "./answer";
import { eventsOf, jsonBody, Problem, send, useLoaded } from "./api";
import { Empty, Notices, Waiting, Wrong } from "./notices";
import { api, link, proceed, route } from "./route";
import { opened, SourcePane } from "./source";
import type { Answer, Doc, Metadata } from "./types";

const METHODS: [name: string, use: string][] = [
  ["auto", "picks a method by the question and says why"],
  ["basic", "a fact that is said in one place"],
  ["local", "something in particular, and what surrounds it"],
  ["global", "all documents together, by their community reports"],
  ["drift", "a broad question that needs detail, by follow-up questions"],
  ["path", "a fact put together from several places"],
  ["lazy", "an index that no model wrote; tests passages for relevance"],
  ["hybrid", "basic, local and path together: when in doubt"],
  ["table", "how many, which most: counted over the graph"],
];
const LEVELED = ["global", "drift"];
const KEPT = 40; // questions that are remembered in this browser

interface Asked {
  question: string;
  method: string;
  level: string;
  filters: string[];
}

interface Turn extends Asked {
  text: string;
  answer?: Answer;
  problem?: Problem;
}

const form = signal<Asked>({ question: "", method: "", level: "", filters: [] });
const isFollowUp = signal(false);
const turns = signal<Turn[]>([]);
const running = signal<AbortController | null>(null);
const remembered = signal<(Asked & { index: string })[]>(readRemembered());

// Another index: what was asked of the one before is no part of the conversation.
let index = route.value.index;
route.subscribe((now) => {
  if (now.index === index) return;
  index = now.index;
  running.value?.abort();
  turns.value = [];
  isFollowUp.value = false;
});

export function AskView() {
  const linked = useMemo(() => asked(route.value.query), [route.value]);
  useEffect(() => {
    if (!linked.question) return;
    const last = turns.value.at(-1);
    if (last && same(last, linked)) return;
    form.value = linked;
    void ask(linked, false);
  }, [linked]);
  const [last, ...earlier] = turns.value.toReversed();
  return (
    <div class="ask columns">
      <div class="main">
        <Form canFollow={last?.answer !== undefined} />
        {last ? <TurnShown turn={last} /> : <Remembered />}
        {earlier.length > 0 && (
          <section class="earlier" aria-label="Earlier in this conversation">
            <h2 class="label">Earlier in this conversation</h2>
            {earlier.map((turn) => (
              <details key={turn.question}>
                <summary>{turn.question}</summary>
                <AnswerText text={turn.text} answer={turn.answer} />
              </details>
            ))}
          </section>
        )}
      </div>
      <SourcePane empty="Follow a number in an answer to the sentence it stands on: its document opens here, the words marked." />
    </div>
  );
}

function Form({ canFollow }: { canFollow: boolean }) {
  const given = form.value;
  const change = (part: Partial<Asked>) => (form.value = { ...form.value, ...part });
  const submit = (event: Event) => {
    event.preventDefault();
    if (given.question.trim()) void ask(given, isFollowUp.value && canFollow);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) submit(event);
  };
  const use = METHODS.find(([name]) => name === (given.method || "auto"))![1];
  return (
    <form class="question" onSubmit={submit}>
      <textarea
        aria-label="Question"
        placeholder="Ask about the documents"
        rows={2}
        maxLength={20_000}
        value={given.question}
        onInput={(event) => change({ question: event.currentTarget.value })}
        onKeyDown={onKeyDown}
      />
      <div class="options">
        <label>
          Method{" "}
          <select value={given.method} onChange={(event) => change({ method: event.currentTarget.value })}>
            {METHODS.map(([name]) => (
              <option key={name} value={name === "auto" ? "" : name}>
                {name}
              </option>
            ))}
          </select>
        </label>
        <span class="hint">{use}</span>
        {LEVELED.includes(given.method) && (
          <label>
            Level{" "}
            <input
              type="number"
              min={0}
              max={100}
              value={given.level}
              placeholder="auto"
              onInput={(event) => change({ level: event.currentTarget.value })}
            />
          </label>
        )}
        <Filters filters={given.filters} onChange={(filters) => change({ filters })} />
        {canFollow && (
          <label>
            <input
              type="checkbox"
              checked={isFollowUp.value}
              onChange={(event) => (isFollowUp.value = event.currentTarget.checked)}
            />{" "}
            Follow-up
          </label>
        )}
        {running.value ? (
          <button type="button" onClick={() => running.value?.abort()}>
            Stop
          </button>
        ) : (
          <button class="first" disabled={!given.question.trim()}>
            Ask
          </button>
        )}
      </div>
    </form>
  );
}

/** Of the metadata that the first documents have; any other filter can be written. */
function Filters({ filters, onChange }: { filters: string[]; onChange: (filters: string[]) => void }) {
  const { value } = useLoaded<{ documents: Doc[] }>(api("documents", { limit: "200" }));
  const known = useMemo(() => choicesOf(value?.documents ?? []), [value]);
  const add = (event: Event & { currentTarget: HTMLInputElement }) => {
    const given = event.currentTarget.value.trim();
    const isFilter = /^[^!<>=]+(=|!=|>=|<=)\s*\S/.test(given);
    event.currentTarget.setCustomValidity(isFilter || !given ? "" : "Write key=value, key>=value or key<=value.");
    if (!event.currentTarget.reportValidity() || !given) return;
    if (!filters.includes(given)) onChange([...filters, given]);
    event.currentTarget.value = "";
  };
  return (
    <span class="filters">
      <input
        aria-label="Filter"
        placeholder="Filter: year>=1865"
        list="known-filters"
        onInput={(event) => event.currentTarget.setCustomValidity("")}
        onChange={add}
        onKeyDown={(event) => {
          if (event.key !== "Enter") return;
          event.preventDefault();
          add(event);
        }}
      />
      <datalist id="known-filters">
        {known.map((one) => (
          <option key={one} value={one} />
        ))}
      </datalist>
      {filters.map((one) => (
        <button
          type="button"
          key={one}
          class="chip"
          aria-label={`Remove the filter ${one}`}
          onClick={() => onChange(filters.filter((other) => other !== one))}
        >
          {one} ✕
        </button>
      ))}
    </span>
  );
}

function TurnShown({ turn }: { turn: Turn }) {
  const { answer } = turn;
  const share = link("ask", queryOf(turn));
  return (
    <section class="answer" aria-label="Answer" aria-busy={!answer && !turn.problem}>
      <Wrong problem={turn.problem} />
      {!turn.text && !turn.problem && <Waiting what="Looking in the documents…" />}
      <AnswerText text={answer?.answer ?? turn.text} answer={answer} />
      {answer && (
        <>
          <Notices texts={answer.warnings} />
          <Cost answer={answer} share={share} />
          <Proofs citations={answer.citations} />
          <Tree tree={answer.trace.tree} />
          <Statement cypher={answer.trace.cypher} />
          <ReadPassages passages={answer.context.text_units} />
        </>
      )}
    </section>
  );
}

function Remembered() {
  const mine = remembered.value.filter((one) => one.index === route.value.index);
  if (!mine.length) {
    return (
      <Empty title="Ask a question">
        The answer comes with numbers. Each leads to the sentence that says it, in the document it
        stands in.
      </Empty>
    );
  }
  return (
    <section class="remembered" aria-label="Asked before">
      <h2 class="label">Asked before</h2>
      <ul>
        {mine.map((one) => (
          <li key={JSON.stringify(one)}>
            <a href={link("ask", queryOf(one))}>{one.question}</a>
            <span class="hint">{[one.method, ...one.filters].filter(Boolean).join(" · ")}</span>
          </li>
        ))}
      </ul>
      <button class="quiet" onClick={() => remember([])}>
        Forget them
      </button>
    </section>
  );
}

async function ask(given: Asked, follows: boolean): Promise<void> {
  running.value?.abort();
  const stop = (running.value = new AbortController());
  const history = follows
    ? turns.value.flatMap((one) => (one.answer ? [[one.question, one.answer.answer]] : []))
    : [];
  const before = follows ? turns.value : [];
  let turn: Turn = { ...given, text: "" };
  const show = (part: Partial<Turn>) => {
    turn = { ...turn, ...part };
    if (running.value === stop) turns.value = [...before, turn];
  };
  show({});
  opened.value = null;
  proceed("ask", queryOf(given));
  remember([{ ...given, index }, ...remembered.value.filter((one) => one.index !== index || !same(one, given))]);
  try {
    const body = {
      question: given.question,
      ...(given.method && { method: given.method }),
      ...(LEVELED.includes(given.method) && given.level !== "" && { level: Number(given.level) }),
      filters: given.filters,
      history,
    };
    const reply = await send(api("query/stream"), { ...jsonBody(body), signal: stop.signal });
    for await (const { name, data } of eventsOf(reply)) {
      if (name === "text") show({ text: turn.text + (data as { text: string }).text });
      if (name === "answer") show({ answer: data as Answer });
      if (name === "problem") {
        const { status, detail, hint } = data as { status: number; detail: string; hint: string };
        throw new Problem(status, detail, hint);
      }
    }
    if (!turn.answer) throw new Problem(502, "The answer broke off.", "Ask again.");
  } catch (problem) {
    if (stop.signal.aborted) show({ problem: new Problem(408, "Stopped.") });
    else if (problem instanceof Problem && problem.status > 0) show({ problem });
    else show({ problem: new Problem(503, "The server went away.", "Ask again when it is back.") });
  } finally {
    if (running.value === stop) running.value = null;
  }
}

function asked(query: URLSearchParams): Asked {
  return {
    question: query.get("q") ?? "",
    method: METHODS.some(([name]) => name === query.get("method")) ? query.get("method")! : "",
    level: query.get("level") ?? "",
    filters: query.getAll("filter"),
  };
}

function queryOf({ question, method, level, filters }: Asked) {
  return { q: question, method, level, filter: filters };
}

function same(one: Asked, other: Asked): boolean {
  return link("ask", queryOf(one)) === link("ask", queryOf(other));
}

function remember(questions: (Asked & { index: string })[]): void {
  remembered.value = questions.slice(0, KEPT);
  localStorage.setItem("questions", JSON.stringify(remembered.value));
}

function readRemembered(): (Asked & { index: string })[] {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem("questions") ?? "[]");
    return Array.isArray(kept) ? kept.filter((one) => typeof one?.question === "string") : [];
  } catch {
    return [];
  }
}

function choicesOf(documents: Doc[]): string[] {
  const found = new Set<string>();
  const add = (metadata: Metadata) => {
    for (const [key, value] of Object.entries(metadata)) {
      if (value !== null && String(value).length < 60) found.add(`${key}=${value}`);
    }
  };
  for (const one of documents) add({ ...one.metadata, "doc.language": one.language });
  return [...found].sort().slice(0, 300);
}
