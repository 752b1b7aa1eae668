// A picture within the page: made once, shown anew when what is drawn changes.
import { useEffect, useRef, useState } from "preact/hooks";
import { Picture, type Shown } from "./picture";
import { theme } from "./theme";

interface CanvasProps {
  name: string;
  /** Said to those who cannot see it. */
  summary: string;
  shown: Shown;
  look?: readonly string[];
  onClick: (id: string | null) => void;
}

export function Canvas({ name, summary, shown, look, onClick }: CanvasProps) {
  const box = useRef<HTMLDivElement>(null);
  const picture = useRef<Picture>();
  const click = useRef(onClick);
  click.current = onClick;
  const [isMissing, setMissing] = useState(false);
  const colors = theme.value;
  const drawn = useRef<Shown>();
  useEffect(() => {
    try {
      picture.current = new Picture(box.current!, (id) => click.current(id));
    } catch {
      setMissing(true);
      return;
    }
    drawn.current = undefined;
    return () => picture.current?.remove();
  }, [colors]);
  useEffect(() => {
    const isSame = drawn.current?.dots === shown.dots && drawn.current.lines === shown.lines;
    if (isSame) picture.current?.light(shown);
    else picture.current?.show(shown);
    drawn.current = shown;
  }, [shown, colors]);
  useEffect(() => {
    if (look) picture.current?.look(look);
  }, [look, colors]);
  return (
    <section class="picture" aria-label={name}>
      <p class="summary" role="status">
        {summary}
        {isMissing && " It cannot be drawn here: this browser has no WebGL. The lists say the same."}
      </p>
      <div class="canvas" ref={box} />
      {!isMissing && (
        <div class="zoom">
          <button aria-label="Zoom in" onClick={() => picture.current?.zoom(1 / 1.6)}>
            +
          </button>
          <button aria-label="Zoom out" onClick={() => picture.current?.zoom(1.6)}>
            −
          </button>
          <button aria-label="Show all" onClick={() => picture.current?.look([])}>
            ⤢
          </button>
        </div>
      )}
    </section>
  );
}
