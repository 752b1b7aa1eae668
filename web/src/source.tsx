// The proof: a document opened at the place that a citation names, the quote marked.
import { signal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { send, useLoaded } from "./api";
import { drawBlock, wrapLetters } from "./draw";
import { Empty, Waiting, Wrong } from "./notices";
import { PassageGraph } from "./passage";
import { api } from "./route";
import type { Block, Citation, DocumentText, Passage } from "./types";

const AROUND = 12_000; // characters that are read before and after a passage
const PDF = "/web/pdf.js"; // loaded only where a page is drawn
const PLAIN = /\.(?:txt|csv|json|jsonl)(?:#|$)/i;

/** What is to be shown: a passage, with a quote in it or without; or a whole document. */
export interface Opened {
  unit?: string;
  document?: string;
  quote?: string;
  start?: number | null;
  end?: number | null;
  page?: string;
  proof?: Proof;
  number?: number;
}

type Proof = "verified" | "fuzzy" | "unverified";

export const opened = signal<Opened | null>(null);

export function openCitation(one: Citation): void {
  opened.value = {
    unit: one.text_unit_id,
    quote: one.quote,
    start: one.start,
    end: one.end,
    page: one.page,
    proof: proofOf(one),
    number: one.number,
  };
}

export function proofOf(one: Citation): Proof {
  if (!one.verified) return "unverified";
  return one.exact ? "verified" : "fuzzy";
}

const PROOFS: Record<Proof, [name: string, meaning: string]> = {
  verified: ["Verified", "The document says this, letter for letter."],
  fuzzy: ["Nearly", "The document says this in nearly these words; what it says is marked."],
  unverified: ["Not found", "The quoted words are not in the document. Do not rely on them."],
};

export function Badge({ proof }: { proof: Proof }) {
  const [name, meaning] = PROOFS[proof];
  return (
    <span class={`badge ${proof}`} title={meaning}>
      {name}
    </span>
  );
}

export function SourcePane({ empty }: { empty?: string }) {
  const shown = opened.value;
  if (!shown && !empty) return null;
  return (
    <section class={shown ? "source open" : "source"} aria-label="Source">
      {shown ? <Shown key={JSON.stringify(shown)} shown={shown} /> : <Empty title="Proof">{empty}</Empty>}
    </section>
  );
}

function Shown({ shown }: { shown: Opened }) {
  const passage = useLoaded<Passage>(shown.unit ? api(`text_units/${shown.unit}`) : null);
  const id = shown.document ?? passage.value?.document.id;
  const start = shown.start ?? passage.value?.start ?? 0;
  const end = shown.end ?? passage.value?.end ?? 0;
  const isReady = shown.document !== undefined || passage.value !== undefined;
  const [before, setBefore] = useState(AROUND);
  const [after, setAfter] = useState(AROUND);
  const from = Math.max(0, start - before);
  const text = useLoaded<DocumentText>(
    isReady ? api(`documents/${id}/text`, { start: `${from}`, end: `${end + after}` }) : null,
  );
  const document = text.value?.document ?? passage.value?.document;
  const isPdf = /\.pdf$/i.test(document?.source ?? "");
  const pageNumber = Number(/^Page (\d+)$/.exec(shown.page ?? "")?.[1] ?? (isPdf ? 1 : 0));
  const [asText, setAsText] = useState(false);
  const [missing, setMissing] = useState("");
  const showsPage = isPdf && !asText && !missing;
  const covered = passage.value ? [passage.value.start ?? 0, passage.value.end ?? 0] : [0, 0];
  return (
    <>
      <header>
        <div>
          <h2>
            {shown.number !== undefined && <span class="number">[{shown.number}]</span>}{" "}
            {document?.title ?? "…"}
          </h2>
          <p class="where">
            {document?.source}
            {shown.page && ` · ${shown.page}`}
          </p>
        </div>
        {shown.proof && <Badge proof={shown.proof} />}
        <button class="quiet" onClick={() => (opened.value = null)} aria-label="Close the source">
          ✕
        </button>
      </header>
      {shown.proof && shown.proof !== "verified" && (
        <p class={`notice ${shown.proof}`}>
          {PROOFS[shown.proof][1]} Quoted: “{shown.quote}”
        </p>
      )}
      {isPdf && (
        <div class="choice" role="group" aria-label="Show as">
          <button aria-pressed={showsPage} disabled={!!missing} onClick={() => setAsText(false)}>
            Page
          </button>
          <button aria-pressed={!showsPage} onClick={() => setAsText(true)}>
            Text as read
          </button>
          {missing && <span>{missing}</span>}
        </div>
      )}
      <Wrong problem={passage.problem ?? text.problem} />
      {showsPage && document ? (
        <Page
          id={document.id}
          version={document.content_hash}
          number={pageNumber}
          quote={shown.quote ?? ""}
          onMissing={setMissing}
        />
      ) : text.value ? (
        <Text
          text={text.value}
          plain={PLAIN.test(text.value.document.source)}
          mark={shown.quote === undefined ? [0, 0] : shown.start == null ? null : [start, end]}
          quote={shown.proof === "unverified" ? "" : (shown.quote ?? "")}
          covered={covered as [number, number]}
          onEarlier={from > 0 ? () => setBefore(before * 4) : undefined}
          onLater={end + after < text.value.characters ? () => setAfter(after * 4) : undefined}
        />
      ) : (
        !text.problem && <Waiting what="Opening the document…" />
      )}
      {passage.value && <PassageGraph passage={passage.value} quote={shown.quote ?? ""} />}
    </>
  );
}

interface TextProps {
  text: DocumentText;
  plain: boolean;
  /** Characters of the document; null where only the words are known. */
  mark: [number, number] | null;
  quote: string;
  covered: [number, number];
  onEarlier: (() => void) | undefined;
  onLater: (() => void) | undefined;
}

function Text({ text, plain, mark, quote, covered, onEarlier, onLater }: TextProps) {
  const place = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const root = place.current!;
    root.replaceChildren(...text.blocks.map((block) => draw(block)));
    if (mark === null && quote) wrapLetters(root, quote, () => document.createElement("mark"));
    const target = root.querySelector("mark") ?? root.querySelector(".covered");
    if (target) scrollWithin(place.current!.parentElement!, target);

    function draw(block: Block): HTMLElement {
      const around = document.createElement("div");
      const isCovered = block.start < covered[1] && block.end > covered[0];
      around.className = isCovered ? `${block.kind} covered` : block.kind;
      around.append(drawBlock(block, plain, ...(mark ?? [0, 0])));
      return around;
    }
  }, [text]);
  return (
    <div class="document" tabIndex={0} aria-label="Text of the document" role="group">
      {onEarlier && (
        <button class="more" onClick={onEarlier}>
          Earlier text
        </button>
      )}
      <div class="text" ref={place} />
      {onLater && (
        <button class="more" onClick={onLater}>
          Later text
        </button>
      )}
    </div>
  );
}

interface PageProps {
  id: string;
  /** Of its content. */
  version: string;
  number: number;
  quote: string;
  onMissing: (why: string) => void;
}

function Page({ id, version, number, quote, onMissing }: PageProps) {
  const place = useRef<HTMLDivElement>(null);
  const [page, setPage] = useState(number);
  const [isDrawn, setDrawn] = useState(false);
  useEffect(() => {
    const stop = new AbortController();
    draw(stop.signal).catch(() => {
      if (!stop.signal.aborted) onMissing("The file cannot be shown: it changed, moved or is gone.");
    });
    return () => stop.abort();
  }, [id, page]);

  async function draw(signal: AbortSignal): Promise<void> {
    const { drawPage }: typeof import("./pdf") = await import(PDF);
    const address = api(`documents/${id}/original`);
    const read = async () => (await send(address)).arrayBuffer();
    const words = await drawPage(`${address} ${version}`, page, place.current!, read);
    if (signal.aborted) return;
    setDrawn(true);
    const marks = wrapLetters(words, quote, () => document.createElement("mark"));
    if (quote && page === number && !marks.length) {
      onMissing("The words are on this page in another order; they are marked in the text.");
    }
    if (marks[0]) scrollWithin(place.current!.parentElement!, marks[0]);
  }

  return (
    <div class="document" tabIndex={0} aria-label={`Page ${page} of the document`} role="group">
      {!isDrawn && <Waiting what="Drawing the page…" />}
      <div class="page" ref={place} />
      <div class="choice">
        <button disabled={page <= 1} onClick={() => setPage(page - 1)}>
          Page {page - 1 || ""} ←
        </button>
        <button onClick={() => setPage(page + 1)}>Page {page + 1} →</button>
      </div>
    </div>
  );
}

function scrollWithin(box: HTMLElement, target: Element): void {
  const offset = target.getBoundingClientRect().top - box.getBoundingClientRect().top;
  box.scrollTop += offset - box.clientHeight / 4;
}
