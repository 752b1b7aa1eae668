// Puts right what the graph has wrong: writes corrections, has them applied, and tells what came of it.
import { signal } from "@preact/signals";
import { useState } from "preact/hooks";
import { changes, get, jsonBody, post, Problem, send, useLoaded } from "./api";
import { isOver, jobs, watch } from "./jobs";
import { Notices, Wrong } from "./notices";
import { api, route } from "./route";
import type { Entity, Job } from "./types";
import { counted } from "./words";

type Correction = Record<string, string | string[]>;

interface Kind {
  label: string;
  /** What is to be typed, none for nothing. */
  asks?: string;
  also?: string;
  /** What is typed names an entity, which should be there. */
  isOfEntity?: true;
  hint?: (name: string) => string;
  row: (name: string, typed: string, also: string) => Correction;
}

const KINDS: Kind[] = [
  {
    label: "It is called otherwise",
    asks: "Its name",
    hint: () => "An entity that has this name becomes one with it.",
    row: (rename, to) => ({ rename, to }),
  },
  {
    label: "It is the same as another",
    asks: "Name of the other",
    isOfEntity: true,
    hint: (name) => `The two are called “${name}” then; what the other was called leads to it.`,
    row: (name, other) => ({ merge: [name, other] }),
  },
  { label: "It is of another type", asks: "Its type", row: (retype, to) => ({ retype, to }) },
  {
    label: "It is something else in some passages",
    asks: "Its name there",
    also: "A phrase of these passages",
    row: (split, to, phrase) => ({ split, to, context: [phrase] }),
  },
  { label: "It is no entity", row: (hide) => ({ hide }) },
];

/** The job that applies the corrections as they are written, by its id. */
const applied = signal<string | null>(null);

interface CorrectProps {
  name: string;
  /** All that it is called. */
  names: string[];
}

export function Correct({ name, names }: CorrectProps) {
  const [count, setCount] = useState(0);
  const [problem, setProblem] = useState<Problem | undefined>(undefined);
  const [notice, setNotice] = useState("");
  const attempt = async (work: () => Promise<unknown>) => {
    try {
      setProblem(undefined);
      setNotice("");
      if (jobs.value.every(isOver)) applied.value = null;
      await work();
      changes.value++;
    } catch (error) {
      if (error instanceof Problem) setProblem(error);
    }
  };
  const write = (row: Correction, other: string) =>
    attempt(async () => {
      await send(api("corrections"), jsonBody(row));
      setCount(count + 1);
      if (other) setNotice(await absence(other));
    });
  return (
    <details class="correct">
      <summary>Correct it</summary>
      <Form key={count} name={name} onWrite={write} />
      <Notices texts={notice ? [notice] : []} />
      <Wrong problem={problem} />
      <Written names={names} attempt={attempt} />
    </details>
  );
}

interface FormProps {
  name: string;
  /** `other`: the entity that the correction speaks of, too. */
  onWrite: (row: Correction, other: string) => void;
}

/** One correction; the next has a form of its own, for a reset would not reach what is chosen. */
function Form({ name, onWrite }: FormProps) {
  const [at, setAt] = useState(0);
  const [typed, setTyped] = useState("");
  const kind = KINDS[at]!;
  const search = kind.isOfEntity ? typed.trim() : "";
  const found = useLoaded<{ entities: Entity[] }>(search ? api("entities", { search, limit: "12" }) : null);
  const write = (event: SubmitEvent) => {
    event.preventDefault();
    const also = new FormData(event.currentTarget as HTMLFormElement).get("also");
    onWrite(kind.row(name, typed.trim(), String(also ?? "").trim()), search);
  };
  return (
    <form onSubmit={write}>
      <select aria-label="What is wrong" value={`${at}`} onChange={(event) => setAt(Number(event.currentTarget.value))}>
        {KINDS.map((one, place) => (
          <option key={one.label} value={`${place}`}>
            {one.label}
          </option>
        ))}
      </select>
      {kind.asks && (
        <input
          list={kind.isOfEntity ? "found-to-correct" : ""}
          aria-label={kind.asks}
          placeholder={kind.asks}
          value={typed}
          onInput={(event) => setTyped(event.currentTarget.value)}
          autocomplete="off"
          required
        />
      )}
      <datalist id="found-to-correct">
        {found.value?.entities.map((one) => one.name !== name && <option key={one.id} value={one.name} label={one.type} />)}
      </datalist>
      {kind.also && <input name="also" aria-label={kind.also} placeholder={kind.also} required />}
      {kind.hint && <p class="hint">{kind.hint(name)}</p>}
      <button>Write it down</button>
    </form>
  );
}

/** What to say of `name` where nothing is called by it. */
async function absence(name: string): Promise<string> {
  try {
    await get(api("graph", { around: name, limit: "1" }));
  } catch (error) {
    if (error instanceof Problem && error.status === 404) {
      return `Nothing is called “${name}”; the correction is kept for when there is.`;
    }
  }
  return "";
}

interface WrittenProps {
  names: string[];
  attempt: (work: () => Promise<unknown>) => Promise<void>;
}

/** The corrections that there are; the next run of `index` applies them all. */
function Written({ names, attempt }: WrittenProps) {
  const { value, problem } = useLoaded<{ corrections: Correction[] }>(api("corrections"));
  const isBusy = jobs.value.some((job) => !isOver(job));
  const own = new Set(names.map((one) => one.toLowerCase()));
  const items = (value?.corrections ?? []).map((row, at) => ({
    number: at + 1,
    said: saying(row),
    isOwn: ["merge", "split", "rename", "retype", "hide", "to"].some((key) =>
      [row[key] ?? []].flat().some((one) => own.has(one.toLowerCase())),
    ),
  }));
  const others = items.filter((one) => !one.isOwn);
  const list = (label: string, shown: typeof items) => (
    <ul class="corrections" aria-label={label}>
      {shown.map(({ number, said }) => (
        <li key={`${number} ${said}`}>
          <code>{said}</code>
          <button
            class="quiet"
            aria-label={`Remove: ${said}`}
            onClick={() => attempt(() => send(api(`corrections/${number}`), { method: "DELETE" }))}
          >
            ✕
          </button>
        </li>
      ))}
    </ul>
  );
  return (
    <>
      <Wrong problem={problem} />
      {list("Corrections", items.filter((one) => one.isOwn))}
      {others.length > 0 && (
        <details>
          <summary>{counted(others.length, "correction")} of other entities</summary>
          {list("About others", others)}
        </details>
      )}
      <button
        disabled={isBusy}
        onClick={() =>
          attempt(async () => {
            const job = await post<Job>(api("index"));
            applied.value = job.id;
            watch(job);
          })
        }
      >
        {isBusy ? "Indexing…" : "Apply all"}
      </button>
    </>
  );
}

/** What came of “Apply all”, wherever it has led. */
export function Applied() {
  const job = jobs.value.find(({ id, index }) => id === applied.value && index === route.value.index);
  if (!job || !isOver(job)) return null;
  if (job.state === "failed") return <Wrong problem={new Problem(409, job.error, job.hint)} />;
  return (
    <div role="status">
      <p class="notice">
        {job.state === "done" ? "The corrections are applied." : "Stopped before the corrections were applied."}{" "}
        <button class="quiet" aria-label="Close what was applied" onClick={() => (applied.value = null)}>
          ✕
        </button>
      </p>
      <Notices texts={job.result?.warnings ?? []} />
    </div>
  );
}

function saying(row: Correction): string {
  return Object.entries(row)
    .map(([key, value]) => `${key} ${[value].flat().join(key === "merge" ? " = " : " or ")}`)
    .join(", ");
}
