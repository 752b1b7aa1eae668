// Puts right what the graph has wrong: writes corrections, and has them applied.
import { useState } from "preact/hooks";
import { changes, jsonBody, post, Problem, send, useLoaded } from "./api";
import { isOver, jobs, watch } from "./jobs";
import { Wrong } from "./notices";
import { api } from "./route";
import type { Job } from "./types";

type Correction = Record<string, string | string[]>;

interface Kind {
  label: string;
  /** What is to be typed, none for nothing. */
  asks?: string;
  also?: string;
  row: (name: string, typed: string, also: string) => Correction;
}

const KINDS: Kind[] = [
  { label: "It is called otherwise", asks: "Its name", row: (rename, to) => ({ rename, to }) },
  { label: "It is the same as another", asks: "Name of the other", row: (name, other) => ({ merge: [other, name] }) },
  { label: "It is of another type", asks: "Its type", row: (retype, to) => ({ retype, to }) },
  {
    label: "It is something else in some passages",
    asks: "Its name there",
    also: "A phrase of these passages",
    row: (split, to, phrase) => ({ split, to, context: [phrase] }),
  },
  { label: "It is no entity", row: (hide) => ({ hide }) },
];

export function Correct({ name }: { name: string }) {
  const [at, setAt] = useState(0);
  const [problem, setProblem] = useState<Problem | undefined>(undefined);
  const kind = KINDS[at]!;
  const attempt = async (work: () => Promise<unknown>) => {
    try {
      setProblem(undefined);
      await work();
      changes.value++;
    } catch (error) {
      if (error instanceof Problem) setProblem(error);
    }
  };
  const write = (event: SubmitEvent) => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const [typed, also] = ["typed", "also"].map((field) => String(new FormData(form).get(field) ?? "").trim());
    void attempt(async () => {
      await send(api("corrections"), jsonBody(kind.row(name, typed!, also!)));
      form.reset();
    });
  };
  return (
    <details class="correct">
      <summary>Correct it</summary>
      <form onSubmit={write}>
        <select
          aria-label="What is wrong"
          value={`${at}`}
          onChange={(event) => setAt(Number(event.currentTarget.value))}
        >
          {KINDS.map((one, place) => (
            <option key={one.label} value={`${place}`}>
              {one.label}
            </option>
          ))}
        </select>
        {kind.asks && <input name="typed" aria-label={kind.asks} placeholder={kind.asks} required />}
        {kind.also && <input name="also" aria-label={kind.also} placeholder={kind.also} required />}
        <button>Write it down</button>
      </form>
      <Wrong problem={problem} />
      <Written attempt={attempt} />
    </details>
  );
}

/** The corrections that there are; the next run of `index` applies them all. */
function Written({ attempt }: { attempt: (work: () => Promise<unknown>) => Promise<void> }) {
  const { value, problem } = useLoaded<{ corrections: Correction[] }>(api("corrections"));
  const isBusy = jobs.value.some((job) => !isOver(job));
  return (
    <>
      <Wrong problem={problem} />
      <ul class="corrections" aria-label="Corrections">
        {value?.corrections.map((row, place) => (
          <li key={JSON.stringify(row)}>
            <code>{saying(row)}</code>
            <button
              class="quiet"
              aria-label={`Remove: ${saying(row)}`}
              onClick={() => attempt(() => send(api(`corrections/${place + 1}`), { method: "DELETE" }))}
            >
              ✕
            </button>
          </li>
        ))}
      </ul>
      <button disabled={isBusy} onClick={() => attempt(async () => watch(await post<Job>(api("index"))))}>
        {isBusy ? "Indexing…" : "Apply all"}
      </button>
    </>
  );
}

function saying(row: Correction): string {
  return Object.entries(row)
    .map(([key, value]) => `${key} ${[value].flat().join(" = ")}`)
    .join(", ");
}
