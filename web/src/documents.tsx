// The documents of the index: their state, and everything that is done with them.
import { signal } from "@preact/signals";
import { useState } from "preact/hooks";
import { Problem, readOnly, send, useLoaded } from "./api";
import { estimate, isOver, jobs, stop, watch } from "./jobs";
import { Empty, Notices, Waiting, Wrong } from "./notices";
import { api, route } from "./route";
import { opened, SourcePane } from "./source";
import type { Doc, Job, SchemaState } from "./types";
import { counted } from "./words";

const PAGE = 50;
const STATES = ["", "ok", "partial", "failed", "skipped"];
const UPLOADED = /^\.graphrag\/uploads\/[0-9a-f]{16}\//;

const wrong = signal<Problem | undefined>(undefined);

export function DocumentsView({ isEmpty }: { isEmpty: boolean }) {
  const [search, setSearch] = useState("");
  const [status, setStatus] = useState("");
  const [offset, setOffset] = useState(0);
  const [isOver, setOver] = useState(false);
  const path = api("documents", {
    search,
    status,
    offset: `${offset}`,
    limit: `${PAGE}`,
  });
  const { value, problem } = useLoaded<{ total: number; documents: Doc[] }>(isEmpty ? null : path);
  const total = value?.total ?? 0;
  const drop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    void upload(event.dataTransfer?.files);
  };
  return (
    <div class="documents columns">
      <div
        class={isOver ? "main over" : "main"}
        onDragOver={(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={drop}
      >
        <div class="options">
          <input
            type="search"
            aria-label="Search documents"
            placeholder="Search by name or title"
            value={search}
            onInput={(event) => {
              setSearch(event.currentTarget.value);
              setOffset(0);
            }}
          />
          <label>
            State{" "}
            <select
              value={status}
              onChange={(event) => {
                setStatus(event.currentTarget.value);
                setOffset(0);
              }}
            >
              {STATES.map((one) => (
                <option key={one} value={one}>
                  {one || "all"}
                </option>
              ))}
            </select>
          </label>
          <span class="spring" />
          {!readOnly.value && <FileButton label="Add documents" isFirst onFiles={upload} many />}
        </div>
        <Wrong problem={wrong.value ?? problem} />
        <Jobs />
        {!isEmpty && <Schema />}
        {isEmpty ? (
          <Empty title="No documents yet">
            Drop files here, or choose them with “Add documents”: text, Markdown, HTML, PDF, Word,
            PowerPoint, Excel, CSV, JSON.
          </Empty>
        ) : value ? (
          <Table documents={value.documents} />
        ) : (
          !problem && <Waiting what="Listing the documents…" />
        )}
        {value && total === 0 && <Empty title="None of that kind">Search for less, or for another state.</Empty>}
        {total > PAGE && (
          <div class="choice">
            <button disabled={offset === 0} onClick={() => setOffset(offset - PAGE)}>
              ←
            </button>
            <span>
              {offset + 1}–{Math.min(offset + PAGE, total)} of {total.toLocaleString("en")}
            </span>
            <button disabled={offset + PAGE >= total} onClick={() => setOffset(offset + PAGE)}>
              →
            </button>
          </div>
        )}
      </div>
      <SourcePane />
    </div>
  );
}

/** The types of the schema, if there is one, and what else the graph has. */
function Schema() {
  const { value } = useLoaded<SchemaState>(api("schema"));
  const check = value?.check;
  if (!check) return null;
  return (
    <details class="read">
      <summary>
        Schema ({check.mode}): {listed(check.by_type) || "nothing of its types was found"}
      </summary>
      {Object.keys(check.other_types).length > 0 && <p>Not in the schema: {listed(check.other_types)}</p>}
    </details>
  );
}

function listed(counts: Record<string, number>): string {
  const ranked = Object.entries(counts).sort((one, other) => other[1] - one[1]);
  return ranked.map(([name, count]) => `${count.toLocaleString("en")} ${name}`).join(", ");
}

function Table({ documents }: { documents: Doc[] }) {
  if (!documents.length) return null;
  return (
    <table class="list">
      <thead>
        <tr>
          <th>Document</th>
          <th>State</th>
          <th class="figure">Tokens</th>
          <th>
            <span class="unseen">Actions</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {documents.map((one) => (
          <Row key={one.id} document={one} />
        ))}
      </tbody>
    </table>
  );
}

function Row({ document }: { document: Doc }) {
  const [isAsking, setAsking] = useState(false);
  const isUpload = UPLOADED.test(document.source);
  const title = document.title.replace(UPLOADED, ""); // one that was not read has its source for a title
  return (
    <tr aria-selected={opened.value?.document === document.id}>
      <td>
        <button class="title" onClick={() => (opened.value = { document: document.id })}>
          {title}
        </button>
        <span class="where">{document.source.replace(UPLOADED, "uploaded: ")}</span>
        {document.error && <span class="error">{document.error}</span>}
      </td>
      <td>
        <span class={`state ${document.status}`}>{document.status}</span>
      </td>
      <td class="figure">{document.n_tokens.toLocaleString("en")}</td>
      <td class="actions">
        {!readOnly.value &&
          (isAsking ? (
            <>
              <button class="danger" onClick={() => void remove(document).then(() => setAsking(false))}>
                Delete it
              </button>
              <button onClick={() => setAsking(false)}>Keep</button>
            </>
          ) : (
            <>
              {isUpload && (
                <FileButton
                  label="Update"
                  name={`Update ${title}`}
                  onFiles={(files) => replace(document, files)}
                />
              )}
              <button class="quiet" aria-label={`Delete ${title}`} onClick={() => setAsking(true)}>
                Delete
              </button>
            </>
          ))}
      </td>
    </tr>
  );
}

interface FileButtonProps {
  label: string;
  name?: string;
  many?: boolean;
  isFirst?: boolean;
  onFiles: (files: FileList | null) => Promise<void>;
}

function FileButton({ label, name, many, isFirst, onFiles }: FileButtonProps) {
  return (
    <label class={isFirst ? "button first" : "button quiet"}>
      {label}
      <input
        class="unseen"
        type="file"
        aria-label={name ?? label}
        multiple={many ?? false}
        onChange={(event) => {
          const field = event.currentTarget;
          void onFiles(field.files).then(() => (field.value = ""));
        }}
      />
    </label>
  );
}

function Jobs() {
  const mine = jobs.value.filter((one) => one.index === route.value.index);
  const [last] = mine;
  const shown = mine.filter((one) => !isOver(one) || one === last);
  if (!shown.length) return null;
  return (
    <section class="jobs" aria-label="Jobs">
      {shown.map((one) => (
        <JobShown key={one.id} job={one} />
      ))}
    </section>
  );
}

function JobShown({ job }: { job: Job }) {
  const share = job.total ? job.done / job.total : 0;
  const { chat_calls, prompt_tokens, completion_tokens, cost_usd } = job.usage;
  const tokens = prompt_tokens + completion_tokens;
  const expected = estimate(job);
  return (
    <div class={`job ${job.state}`}>
      <strong>{job.kind === "delete" ? "Deleting" : "Indexing"}</strong>
      <span class={`state ${job.state}`}>{job.state}</span>
      {!isOver(job) && (
        <>
          <span role="status">
            {job.step} {job.done.toLocaleString("en")}
            {job.total !== null && ` of ${job.total.toLocaleString("en")}`}
          </span>
          <progress value={job.total ? share : undefined} aria-label="Progress" />
        </>
      )}
      {tokens > 0 && (
        <span class="hint">
          {counted(chat_calls, "call")} · {tokens.toLocaleString("en")} tokens ·{" "}
          {cost_usd === null ? "price unknown" : `$${cost_usd.toFixed(4)}`}
          {!isOver(job) && expected !== null && `, about $${expected.toFixed(4)} when this step is done`}
        </span>
      )}
      <span class="spring" />
      {!isOver(job) && <button onClick={() => void doing(() => stop(job))}>Stop; keep what is done</button>}
      {job.state === "cancelled" && (
        <button onClick={() => void begin("index", { method: "POST", ...json({}) })}>Go on</button>
      )}
      {job.error && (
        <p class="error">
          {job.error} {job.hint}
        </p>
      )}
      <Notices texts={job.result?.warnings ?? []} />
      {job.result && job.result.failed.length > 0 && (
        <details>
          <summary>{job.result.failed.length} could not be done</summary>
          <ul>
            {job.result.failed.map((one) => (
              <li key={one.source}>
                <strong>{one.source}</strong> {one.reason}
              </li>
            ))}
          </ul>
        </details>
      )}
    </div>
  );
}

function upload(files: FileList | null | undefined): Promise<void> {
  return sendFiles("documents", "POST", files);
}

function replace(document: Doc, files: FileList | null): Promise<void> {
  return sendFiles(`documents/${document.id}`, "PUT", files);
}

function remove(document: Doc): Promise<void> {
  return begin(`documents/${document.id}`, { method: "DELETE" });
}

async function sendFiles(path: string, method: string, files: FileList | null | undefined): Promise<void> {
  if (!files?.length) return;
  const body = new FormData();
  for (const file of files) body.append("file", file);
  await begin(path, { method, body });
}

function begin(path: string, init: RequestInit): Promise<void> {
  return doing(async () => {
    const reply: Job | { job: Job } = await (await send(api(path), init)).json();
    watch("job" in reply ? reply.job : reply);
  });
}

async function doing(work: () => Promise<void>): Promise<void> {
  wrong.value = undefined;
  try {
    await work();
  } catch (problem) {
    if (problem instanceof Problem) wrong.value = problem;
  }
}

function json(body: unknown): RequestInit {
  return { headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
}
