// Draws texts that nobody vouches for, and marks passages in them.
import DOMPurify from "dompurify";
import { Marked } from "marked";
import type { Block } from "./types";

const TAGS =
  "p h1 h2 h3 h4 h5 h6 ul ol li table thead tbody tr th td pre code em strong del blockquote hr br".split(" ");
const PARENTS_OF_BLOCKS = new Set(["TABLE", "THEAD", "TBODY", "TR", "UL", "OL", "BLOCKQUOTE"]);
// Characters for private use: they stand where a mark begins and ends until the text is drawn.
const OPEN = "\ue000";
const CLOSE = "\ue001";
// What Markdown does not show, or takes for structure, at the ends of a passage.
const BEFORE = /^(?:\s+|\|+|[*_~`]+|:?-+:?(?=\s*\|)|\[(?=[^\]\n]*\]\())/;
const BEFORE_LINE = /^(?:#{1,6}[ \t]+|>|[-*+][ \t]+|\d{1,9}[.)][ \t]+|(?:`{3,}|~{3,})[^\n]*\n)/;
const AFTER = /(?:\s|\||[*_~`]|\n[ \t]*(?:=+|-+|`{3,}|~{3,})[ \t]*|:?-+:?(?=\s*\|*$)|\]\([^)\n]*\))$/;

// HTML in a text is text; links and pictures are their words: nothing leads away or is loaded.
const markdown = new Marked({
  gfm: true,
  tokenizer: { html: () => undefined, tag: () => undefined },
  renderer: {
    link({ tokens }) {
      return this.parser.parseInline(tokens);
    },
    image({ text }) {
      return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
    },
  },
});

/** Markdown, of which only structure and emphasis come through. */
export function drawMarkdown(text: string): DocumentFragment {
  return DOMPurify.sanitize(markdown.parse(text, { async: false }), {
    ALLOWED_TAGS: TAGS,
    ALLOWED_ATTR: ["align", "start"],
    RETURN_DOM_FRAGMENT: true,
  });
}

/** A block of a document, with the characters `start` to `end` of the document marked. */
export function drawBlock(block: Block, plain: boolean, start: number, end: number): Node {
  const text = block.text.replaceAll(OPEN, "\ufffd").replaceAll(CLOSE, "\ufffd");
  const from = units(text, Math.max(0, start - block.start));
  const to = units(text, Math.max(0, Math.min(end, block.end) - block.start));
  const isMarked = from < to && text.slice(from, to).trim() !== "";
  if (plain || block.kind === "place") return drawPlain(text, isMarked ? from : 0, isMarked ? to : 0);
  if (!isMarked) return drawMarkdown(text);
  const [first, last] = within(text, from, to);
  if (first >= last) return drawMarkdown(text);
  const drawn = drawMarkdown(
    text.slice(0, first) + OPEN + text.slice(first, last) + CLOSE + text.slice(last),
  );
  return markBetween(drawn) ? drawn : drawPlain(text, from, to);
}

/** Puts what `make` gives around the passage of `root` with the letters of `quote`. */
export function wrapLetters(root: Node, quote: string, make: () => HTMLElement): HTMLElement[] {
  const nodes = textNodes(root);
  const places: [node: number, from: number, to: number][] = [];
  let letters = "";
  nodes.forEach((node, number) => {
    let at = 0;
    for (const character of node.data) {
      const folded = fold(character);
      letters += folded;
      for (const _ of folded) places.push([number, at, at + character.length]);
      at += character.length;
    }
  });
  const found = findFolded(letters, fold(quote));
  if (!found) return [];
  let [firstNode, from] = places[found[0]]!;
  let [lastNode, , to] = places[found[1] - 1]!;
  // With the quote marks and the full stop that it begins and ends with.
  for (const sign of reversed(/^[^\p{L}\p{N}]*/u.exec(quote.trim())![0])) {
    if (nodes[firstNode]!.data[from - 1] === sign) from--;
  }
  for (const sign of /[^\p{L}\p{N}]*$/u.exec(quote.trim())![0]) {
    const node = nodes[lastNode]!;
    if (to === node.data.length && nodes[lastNode + 1]?.data[0] === sign) [lastNode, to] = [lastNode + 1, 0];
    if (nodes[lastNode]!.data[to] === sign) to++;
  }
  const made: HTMLElement[] = [];
  for (let number = firstNode; number <= lastNode; number++) {
    const node = nodes[number]!;
    const begin = number === firstNode ? from : 0;
    const stop = number === lastNode ? to : node.data.length;
    if (!node.data.slice(begin, stop).trim() && isBetweenBlocks(node)) continue;
    const range = document.createRange();
    range.setStart(node, begin);
    range.setEnd(node, stop);
    const around = make();
    range.surroundContents(around);
    made.push(around);
  }
  return made;
}

/** Makes links of the numbers in brackets; `make` gets each number and how often it came before. */
export function linkNumbers(root: Node, make: (number: number, nth: number) => Node | null): void {
  const seen = new Map<number, number>();
  for (const node of textNodes(root)) {
    if (node.parentElement?.closest("pre, code")) continue;
    const parts = node.data.split(/\[(\d{1,4})\]/);
    if (parts.length < 2) continue;
    const made = parts.map((part, at) => {
      if (at % 2 === 0) return part;
      const number = Number(part);
      const nth = seen.get(number) ?? 0;
      seen.set(number, nth + 1);
      return make(number, nth) ?? `[${part}]`;
    });
    node.replaceWith(...made);
  }
}

export function fold(text: string): string {
  return text
    .normalize("NFKC")
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]/gu, "");
}

function drawPlain(text: string, from: number, to: number): Node {
  const block = document.createElement("p");
  block.className = isWrapped(text) ? "plain wrapped" : "plain";
  block.append(text.slice(0, from));
  if (from < to) {
    const mark = document.createElement("mark");
    mark.textContent = text.slice(from, to).trimEnd();
    block.append(mark);
  }
  block.append(text.slice(to).trimEnd());
  return block;
}

/** Whether lines end where they were full: then they may end elsewhere, too. */
function isWrapped(text: string): boolean {
  const lines = text.trimEnd().split("\n").slice(0, -1);
  return lines.every((line) => line.length > 55 && !line.includes("  "));
}

/** Where in UTF-16 the character with this number stands: the server counts code points. */
function units(text: string, points: number): number {
  let at = 0;
  for (let left = points; left > 0 && at < text.length; left--) {
    at += text.codePointAt(at)! > 0xffff ? 2 : 1;
  }
  return at;
}

function within(text: string, from: number, to: number): [number, number] {
  for (;;) {
    const rest = text.slice(from, to);
    const isLineStart = /(?:^|\n)[ \t>]*$/.test(text.slice(0, from));
    const skipped = (isLineStart && BEFORE_LINE.exec(rest)) || BEFORE.exec(rest);
    if (!skipped) break;
    from += skipped[0].length;
  }
  for (;;) {
    const skipped = AFTER.exec(text.slice(from, to));
    if (!skipped) return [from, to];
    to -= skipped[0].length;
  }
}

function markBetween(root: Node): boolean {
  let inside = false;
  let some = false;
  let closed = false;
  for (const node of textNodes(root)) {
    const parts = node.data.split(/([\ue000\ue001])/);
    if (parts.length === 1 && !inside) continue;
    const made: (Node | string)[] = [];
    for (const part of parts) {
      if (part === OPEN) inside = true;
      else if (part === CLOSE) [inside, closed] = [false, true];
      else if (!inside || !part || (!part.trim() && isBetweenBlocks(node))) made.push(part);
      else {
        const mark = document.createElement("mark");
        mark.textContent = part;
        made.push(mark);
        some = true;
      }
    }
    node.replaceWith(...made);
  }
  return some && closed;
}

function reversed(text: string): string[] {
  return [...text].reverse();
}

function isBetweenBlocks(node: Node): boolean {
  const parent = node.parentElement;
  return parent === null || PARENTS_OF_BLOCKS.has(parent.tagName);
}

function textNodes(root: Node): Text[] {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  const found: Text[] = [];
  while (walker.nextNode()) found.push(walker.currentNode as Text);
  return found;
}

/** All of the letters, else from their beginning to their end where the middle differs. */
function findFolded(letters: string, wanted: string): [number, number] | null {
  if (!wanted) return null;
  const whole = letters.indexOf(wanted);
  if (whole >= 0) return [whole, whole + wanted.length];
  const length = Math.min(24, wanted.length >> 1);
  if (length < 8) return null;
  const first = letters.indexOf(wanted.slice(0, length));
  const last = letters.indexOf(wanted.slice(-length), first);
  const span = last + length - first;
  const isNear = first >= 0 && last >= 0 && span > wanted.length * 0.8 && span < wanted.length * 1.25;
  return isNear ? [first, first + span] : null;
}
