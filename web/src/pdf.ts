// Draws one page of a PDF file with its words over it, so that a passage can be marked.
import { GlobalWorkerOptions, getDocument, type PDFDocumentProxy, TextLayer } from "pdfjs-dist";

GlobalWorkerOptions.workerSrc = "/web/pdf-worker.js";

let kept: { name: string; file: Promise<PDFDocumentProxy> } | undefined;

/** The page in `into`, as wide as that is; gives the element that holds its words. */
export async function drawPage(
  name: string,
  number: number,
  into: HTMLElement,
  read: () => Promise<ArrayBuffer>,
): Promise<HTMLElement> {
  const file = await fileOf(name, read);
  const page = await file.getPage(Math.min(Math.max(number, 1), file.numPages));
  const width = Math.max(into.clientWidth, 280);
  const viewport = page.getViewport({ scale: width / page.getViewport({ scale: 1 }).width });
  const sharpness = Math.min(window.devicePixelRatio || 1, 2);
  const canvas = document.createElement("canvas");
  canvas.width = viewport.width * sharpness;
  canvas.height = viewport.height * sharpness;
  canvas.setAttribute("aria-hidden", "true");
  const words = document.createElement("div");
  words.className = "words";
  const sheet = document.createElement("div");
  sheet.className = "sheet";
  sheet.style.setProperty("--total-scale-factor", String(viewport.scale));
  sheet.append(canvas, words);
  into.replaceChildren(sheet);
  await page.render({ canvas, viewport, transform: [sharpness, 0, 0, sharpness, 0, 0] }).promise;
  const textContentSource = await page.getTextContent();
  await new TextLayer({ textContentSource, container: words, viewport }).render();
  return words;
}

/** The file that was read last stays open: the next citation is often on another page of it. */
function fileOf(name: string, read: () => Promise<ArrayBuffer>): Promise<PDFDocumentProxy> {
  if (kept?.name !== name) {
    void kept?.file.then((file) => file.loadingTask.destroy(), () => undefined);
    const file = read().then((data) => getDocument({ data }).promise);
    const mine = { name, file };
    kept = mine;
    file.catch(() => kept === mine && (kept = undefined));
  }
  return kept.file;
}
