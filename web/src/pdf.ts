// Draws one page of a PDF file with its words over it, so that a passage can be marked.
import { GlobalWorkerOptions, getDocument, TextLayer } from "pdfjs-dist";

GlobalWorkerOptions.workerSrc = "/web/pdf-worker.js";

/** The page in `into`, as wide as that is; gives the element that holds its words. */
export async function drawPage(data: ArrayBuffer, number: number, into: HTMLElement): Promise<HTMLElement> {
  const loading = getDocument({ data, isImageDecoderSupported: false });
  try {
    const file = await loading.promise;
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
    const transform = [sharpness, 0, 0, sharpness, 0, 0];
    await page.render({ canvas, viewport, transform }).promise;
    const textContentSource = await page.getTextContent();
    await new TextLayer({ textContentSource, container: words, viewport }).render();
    return words;
  } finally {
    await loading.destroy();
  }
}
