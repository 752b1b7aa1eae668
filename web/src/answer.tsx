// An answer's text with its numbers as links, and what stands under it.
import { signal } from "@preact/signals";
import { useLayoutEffect, useRef } from "preact/hooks";
import { drawMarkdown, linkNumbers, wrapLetters } from "./draw";
import { Badge, openCitation, opened, proofOf } from "./source";
import type { Answer, Citation, DriftNode } from "./types";
import { counted } from "./words";

const UNSUPPORTED = "No verified citation supports this sentence.";

const pointed = signal<{ citation: Citation; x: number; y: number } | null>(null);

export function AnswerText({ text, answer }: { text: string; answer: Answer | undefined }) {
  const place = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const drawn = drawMarkdown(text);
    for (const sentence of answer?.unsupported ?? []) wrapLetters(drawn, sentence, unsupported);
    linkNumbers(drawn, (number, nth) => linkOf(answer?.citations ?? [], number, nth));
    place.current!.replaceChildren(drawn);
    return () => (pointed.value = null);
  }, [text, answer]);
  return (
    <>
      <div class="prose" ref={place} />
      {answer && !answer.answered && <p class="notice">The documents do not hold the answer.</p>}
      {pointed.value && answer?.citations.includes(pointed.value.citation) && <Card />}
    </>
  );
}

/** What a number stands for, beside the pointer or the focus. */
function Card() {
  const { citation, x, y } = pointed.value!;
  return (
    <div class="card" role="tooltip" style={{ left: `${x}px`, top: `${y}px` }}>
      <Badge proof={proofOf(citation)} /> <strong>{citation.title}</strong>{" "}
      <span class="where">{citation.page || citation.heading}</span>
      <p>{citation.quote}</p>
    </div>
  );
}

export function Proofs({ citations }: { citations: Citation[] }) {
  if (!citations.length) return null;
  return (
    <section class="proofs" aria-label="Citations">
      <h2 class="label">Stands on</h2>
      <ol>
        {citations.map((one, at) => (
          <li key={at}>
            <button
              aria-pressed={opened.value?.unit === one.text_unit_id && opened.value.quote === one.quote}
              onClick={() => openCitation(one)}
            >
              <span class="number">{one.number}</span>
              <span class="quote">{one.quote}</span>
              <span class="where">
                {one.title}
                {(one.page || one.heading) && ` · ${one.page || one.heading}`}
              </span>
              <Badge proof={proofOf(one)} />
            </button>
          </li>
        ))}
      </ol>
    </section>
  );
}

export function Cost({ answer, share }: { answer: Answer; share: string }) {
  const { usage } = answer;
  const calls = usage.chat_calls + usage.embedding_calls;
  const parts = [
    answer.method,
    `${answer.seconds.toFixed(answer.seconds < 10 ? 2 : 0)} s`,
    answer.extractive ? "excerpts, no model wrote this" : counted(calls, "model call"),
    calls > 0 && `${(usage.prompt_tokens + usage.completion_tokens).toLocaleString("en")} tokens`,
    calls > 0 && (usage.cost_usd === null ? "price unknown" : `$${usage.cost_usd.toFixed(4)}`),
    usage.cached_calls > 0 && `${usage.cached_calls} from the cache`,
  ].filter(Boolean);
  return (
    <p class="cost">
      <span title={answer.reason}>{parts.join(" · ")}</span> <a href={share}>Link to this question</a>
      {answer.also_searched.length > 0 && <span>Also searched: {answer.also_searched.join(", ")}</span>}
    </p>
  );
}

export function Tree({ tree }: { tree: Answer["trace"]["tree"] }) {
  if (!tree) return null;
  return (
    <details class="tree" open>
      <summary>How it was asked</summary>
      <ul>
        {tree.primer.map((one, at) => (
          <li key={at}>
            <span class="score">{one.score}</span> From reports: {one.answer}
          </li>
        ))}
      </ul>
      <Branches nodes={tree.follow_ups} />
    </details>
  );
}

/** What was counted, as one would ask it of Neo4j. */
export function Statement({ cypher }: { cypher: string | undefined }) {
  if (!cypher) return null;
  return (
    <details class="read">
      <summary>How it was counted, as Cypher</summary>
      <pre>{cypher}</pre>
    </details>
  );
}

function Branches({ nodes }: { nodes: DriftNode[] }) {
  if (!nodes.length) return null;
  return (
    <ul>
      {nodes.map((node, at) => (
        <li key={at}>
          <details>
            <summary>
              <span class="score">{node.score}</span> {node.question}
            </summary>
            <p>{node.error ?? node.answer}</p>
          </details>
          <Branches nodes={node.follow_ups} />
        </li>
      ))}
    </ul>
  );
}

export function ReadPassages({ passages }: { passages: Answer["context"]["text_units"] }) {
  if (!passages.length) return null;
  return (
    <details class="read">
      <summary>What was read: {passages.length} {passages.length === 1 ? "passage" : "passages"}</summary>
      <ul>
        {passages.map((one) => (
          <li key={one.id}>
            <button class="quiet" onClick={() => (opened.value = { unit: one.id })}>
              <strong>{one.title}</strong> {one.text.slice(0, 140)}
            </button>
          </li>
        ))}
      </ul>
    </details>
  );
}

function unsupported(): HTMLElement {
  const around = document.createElement("span");
  around.className = "unsupported";
  around.title = UNSUPPORTED;
  return around;
}

/** The nth time that a number comes it stands for its nth quote. */
function linkOf(citations: Citation[], number: number, nth: number): Node | null {
  const mine = citations.filter((one) => one.number === number);
  const citation = mine[Math.min(nth, mine.length - 1)];
  if (!citation) return null;
  const made = document.createElement("a");
  made.href = location.hash || "#";
  made.textContent = `[${number}]`;
  made.className = `cite ${proofOf(citation)}`;
  made.addEventListener("click", (event) => {
    event.preventDefault();
    openCitation(citation);
  });
  const point = () => {
    const { left, bottom } = made.getBoundingClientRect();
    const x = Math.max(8, Math.min(left, innerWidth - 380));
    pointed.value = { citation, x, y: Math.min(bottom + 6, innerHeight - 160) };
  };
  const leave = () => (pointed.value = null);
  made.addEventListener("mouseenter", point);
  made.addEventListener("focus", point);
  made.addEventListener("mouseleave", leave);
  made.addEventListener("blur", leave);
  return made;
}
