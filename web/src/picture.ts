// Draws points and lines with sigma; colours are those of the page.
import Graph from "graphology";
import Sigma from "sigma";

export interface Dot {
  id: string;
  label: string;
  x: number;
  y: number;
  size: number;
  color: string;
  isNamedLeft?: boolean;
}

export interface Line {
  source: string;
  target: string;
  size?: number;
  isLit?: boolean;
}

export interface Shown {
  dots: Dot[];
  lines: Line[];
  /** The rest is only the ground; none: all are alike. */
  lit: ReadonlySet<string>;
  /** Whose lines stand out. */
  centre?: string | undefined;
}

const FEW = 40; // points; of these each has its name beside it
const MANY = 3000; // lines; more are left out while the view moves
const LABEL = 32; // characters, before it is cut

interface Drawn {
  x: number;
  y: number;
  size: number;
  color: string;
  label: string | null;
  isNamedLeft?: boolean;
}

export class Picture {
  private readonly graph = new Graph({ multi: true });
  private readonly sigma: Sigma;
  private lit: ReadonlySet<string> = new Set();
  private centre: string | undefined;
  private hovered = "";
  private readonly colors: Record<"ink" | "paper" | "soft" | "line" | "faded" | "accent", string>;

  /** Throws where the browser has no WebGL. */
  constructor(
    private readonly box: HTMLElement,
    onClick: (id: string | null) => void,
  ) {
    this.colors = {
      ink: colorOf(box, "--ink"),
      paper: colorOf(box, "--paper"),
      soft: colorOf(box, "--soft"),
      line: colorOf(box, "--edge"),
      faded: colorOf(box, "--faded"),
      accent: colorOf(box, "--accent"),
    };
    this.sigma = new Sigma(this.graph, box, {
      allowInvalidContainer: true,
      labelDensity: box.clientWidth < 500 ? 0.2 : 0.6,
      labelGridCellSize: 110,
      labelRenderedSizeThreshold: 5,
      zIndex: true,
      stagePadding: 40,
      defaultDrawNodeLabel: (context, data) => this.drawLabel(context, data),
      defaultDrawNodeHover: (context, data) => this.drawHovered(context, data),
      nodeReducer: (id, data) => {
        if (id === this.centre) return { ...data, zIndex: 3, highlighted: true, forceLabel: true };
        if (!this.lit.size || this.lit.has(id)) {
          return { ...data, zIndex: 1, forceLabel: (this.lit.size || this.graph.order) < FEW };
        }
        return { ...data, color: this.colors.faded, label: id === this.hovered ? data.label : "", zIndex: 0 };
      },
      edgeReducer: (edge, data) => {
        if (data.isLit) return { ...data, color: this.colors.accent, size: 2.5, zIndex: 2 };
        const [source, target] = this.graph.extremities(edge);
        if (source === this.centre || target === this.centre) {
          return { ...data, color: this.colors.soft, size: 1.5, zIndex: 1 };
        }
        const isIn = !this.lit.size || (this.lit.has(source) && this.lit.has(target));
        const isStrong = isIn && (this.lit.size > 0 || this.graph.size <= MANY);
        return { ...data, color: isStrong ? this.colors.line : this.colors.faded, hidden: !isIn && this.graph.size > MANY };
      },
    });
    this.sigma.on("clickNode", ({ node }) => onClick(node));
    this.sigma.on("clickStage", () => onClick(null));
    this.sigma.on("enterNode", ({ node }) => this.point(node));
    this.sigma.on("leaveNode", () => this.point(""));
  }

  show({ dots, lines, lit, centre }: Shown): void {
    [this.lit, this.centre] = [lit, centre];
    this.graph.clear();
    for (const { id, ...dot } of dots) this.graph.mergeNode(id, dot);
    for (const { source, target, size = 1, isLit = false } of lines) {
      if (this.graph.hasNode(source) && this.graph.hasNode(target)) {
        this.graph.addEdge(source, target, { size, isLit });
      }
    }
    this.sigma.setSetting("hideEdgesOnMove", lines.length > MANY);
    this.sigma.setSetting("hideLabelsOnMove", lines.length > MANY);
    this.sigma.refresh();
  }

  /** Other points are lit; nothing moves. */
  light({ lit, centre }: Shown): void {
    [this.lit, this.centre] = [lit, centre];
    this.sigma.refresh({ skipIndexation: true });
  }

  /** Moves the view so that these points fill it. */
  look(ids: Iterable<string>): void {
    const places = [...ids].flatMap((id) => this.sigma.getNodeDisplayData(id) ?? []);
    if (!places.length) return void this.sigma.getCamera().animatedReset({ duration: pace(300) });
    const [xs, ys] = [places.map((one) => one.x), places.map((one) => one.y)];
    const [left, right, low, high] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    const ratio = Math.min(1.1, Math.max(0.12, 1.5 * Math.max(right - left, high - low)));
    const camera = this.sigma.getCamera();
    camera.animate({ x: (left + right) / 2, y: (low + high) / 2, ratio }, { duration: pace(300) });
  }

  zoom(factor: number): void {
    const camera = this.sigma.getCamera();
    camera.animate({ ratio: camera.ratio * factor }, { duration: pace(150) });
  }

  remove(): void {
    this.sigma.kill();
  }

  private point(id: string): void {
    this.hovered = id;
    this.box.style.cursor = id ? "pointer" : "";
  }

  /** On the side where there is room, on a ground of its own. */
  private drawLabel(context: CanvasRenderingContext2D, dot: Drawn, isHovered = false): void {
    if (!dot.label) return;
    context.font = `${isHovered ? "600 13px" : "12px"} ${getComputedStyle(this.box).fontFamily}`;
    const label = isHovered || dot.label.length <= LABEL ? dot.label : `${dot.label.slice(0, LABEL)}…`;
    const width = context.measureText(label).width;
    const isCut = dot.x + dot.size + width + 8 > this.box.clientWidth && dot.x > width + 20;
    const isLeft = dot.isNamedLeft || isCut;
    const x = isLeft ? dot.x - dot.size - 4 - width : dot.x + dot.size + 4;
    context.lineWidth = isHovered ? 8 : 3;
    context.lineJoin = "round";
    context.strokeStyle = this.colors.paper;
    context.strokeText(label, x, dot.y + 4);
    context.fillStyle = this.colors.ink;
    context.fillText(label, x, dot.y + 4);
  }

  private drawHovered(context: CanvasRenderingContext2D, dot: Drawn): void {
    for (const [radius, color] of [[dot.size + 3, this.colors.accent], [dot.size, dot.color]] as const) {
      context.beginPath();
      context.arc(dot.x, dot.y, radius, 0, 7);
      context.fillStyle = color;
      context.fill();
    }
    this.drawLabel(context, dot, true);
  }
}

/** The colour of a custom property as the browser computes it: light or dark. */
export function colorOf(element: Element, name: string): string {
  const probe = document.createElement("i");
  probe.style.color = `var(${name})`;
  element.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

function pace(milliseconds: number): number {
  return matchMedia("(prefers-reduced-motion: reduce)").matches ? 0 : milliseconds;
}
