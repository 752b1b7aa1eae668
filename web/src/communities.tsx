// Communities as a map that is entered: one gives way to its parts, and its report is read.
import { useMemo } from "preact/hooks";
import { useLoaded } from "./api";
import { Canvas } from "./canvas";
import { drawMarkdown } from "./draw";
import { hueOf } from "./hues";
import { Empty, Waiting, Wrong } from "./notices";
import type { Dot, Line } from "./picture";
import { api, go, link, route } from "./route";
import { opened, SourcePane } from "./source";
import { theme } from "./theme";
import type { GraphMap, Report } from "./types";
import { counted, entitiesIn } from "./words";

type Place = GraphMap["communities"][number];

export function CommunitiesView() {
  const chosen = route.value.query.get("community");
  const { value: map, problem } = useLoaded<GraphMap>(api("map"));
  const known = useMemo(() => new Map(map?.communities.map((one) => [one.id, one])), [map]);
  const path = useMemo(() => pathTo(known, chosen), [known, chosen]);
  const { dots, lines, parts } = useMemo(() => pictureOf(map, path), [map, path, theme.value]);
  const shown = useMemo(() => ({ dots, lines, lit: new Set(parts) }), [dots, lines, parts]);
  if (!map) return problem && problem.status > 0 ? <Wrong problem={problem} /> : <Waiting what="Laying the map out…" />;
  if (!map.communities.length) {
    return <Empty title="No communities">The graph is too small to be divided.</Empty>;
  }
  const here = path.at(-1);
  const below = map.communities.filter((one) => one.parent_id === (here?.id ?? null));
  const pick = (id: string | null) => {
    if (id === null) go("communities");
    else if (known.has(id)) go("communities", { community: id });
    else go("graph", { entity: id });
  };
  return (
    <div class="communities columns">
      <aside class="panel">
        <nav class="trail" aria-label="Where you are">
          <a href={link("communities")}>All</a>
          {path.map((one) => (
            <a key={one.id} href={link("communities", { community: one.id })}>
              {titleOf(one)}
            </a>
          ))}
        </nav>
        {here && <ReportShown community={here} />}
        {below.length > 0 && (
          <>
            <h3>{here ? "Its parts" : "Communities"}</h3>
            <ul class="found" aria-label="Communities">
              {below.map((one) => (
                <li key={one.id}>
                  <button onClick={() => pick(one.id)}>
                    {titleOf(one)} <span class="hint">{entitiesIn(one.size)}</span>
                  </button>
                </li>
              ))}
            </ul>
          </>
        )}
      </aside>
      <Canvas
        name="Graph"
        summary={
          here
            ? `${titleOf(here)}: ${below.length ? counted(below.length, "part") : entitiesIn(here.size)}`
            : `${below.length} communities; choose one to enter it`
        }
        shown={shown}
        look={parts}
        onClick={pick}
      />
      <SourcePane />
    </div>
  );
}

function ReportShown({ community }: { community: Place }) {
  const { value, problem } = useLoaded<Report>(community.title ? api(`reports/${community.id}`) : null);
  return (
    <section class="report" aria-label="Report">
      <h2>{titleOf(community)}</h2>
      <p class="hint">
        {entitiesIn(community.size)} · level {community.level}
        {value?.rating != null && ` · rating ${value.rating}`}
        {value && (value.method === "model" ? " · written by a model" : " · sentences of the documents")}
      </p>
      <a href={link("graph", { community: community.id })}>Show its entities in the graph</a>
      <Wrong problem={problem} />
      {!community.title && <p class="notice">No report was written of it.</p>}
      {value && (
        <>
          <Markdown text={value.summary} />
          {value.findings.map((one, at) => (
            <article key={at}>
              <h3>{one.summary}</h3>
              {one.explanation !== one.summary && <Markdown text={one.explanation} />}
              <p class="sources">
                {one.text_unit_ids.map((unit, number) => (
                  <button key={unit} class="cite" onClick={() => open(unit, value, one.explanation)}>
                    source {number + 1}
                  </button>
                ))}
              </p>
            </article>
          ))}
        </>
      )}
    </section>
  );
}

/** A report that no model wrote is made of sentences of its sources: these are marked. */
function open(unit: string, { method }: Report, sentence: string): void {
  opened.value = method === "model" ? { unit } : { unit, quote: sentence };
}

function Markdown({ text }: { text: string }) {
  return <div class="prose" key={text} ref={(box) => box?.replaceChildren(drawMarkdown(text))} />;
}

function pathTo(known: Map<string, Place>, id: string | null): Place[] {
  const path: Place[] = [];
  for (let at = id ? known.get(id) : undefined; at; at = known.get(at.parent_id ?? "")) path.unshift(at);
  return path;
}

/** Communities from the coarsest on; what is on the path has given way to its parts. */
function pictureOf(map: GraphMap | undefined, path: Place[]): { dots: Dot[]; lines: Line[]; parts: string[] } {
  if (!map) return { dots: [], lines: [], parts: [] };
  const entered = new Set(path.map((one) => one.id));
  const isShown = (one: Place) => !entered.has(one.id) && (one.parent_id === null || entered.has(one.parent_id));
  const shown = map.communities.filter(isShown);
  const here = path.at(-1);
  const isLeaf = here !== undefined && !shown.some((one) => one.parent_id === here.id);
  const members = isLeaf ? map.nodes.filter((one) => one.communities.includes(here.id)) : [];
  const ranks = new Map(map.communities.map((one, rank) => [one.id, rank]));
  const dots: Dot[] = [
    ...shown.map((one) => ({
      id: one.id,
      label: titleOf(one),
      x: one.x,
      y: one.y,
      size: Math.min(30, 4 + 1.6 * Math.sqrt(one.size)),
      color: hueOf(ranks.get(one.id)!),
    })),
    ...members.map(({ id, name, x, y, degree, type }) => ({
      id,
      label: name,
      x,
      y,
      size: Math.min(12, 3 + Math.sqrt(degree)),
      color: hueOf(type),
    })),
  ];
  const parts = isLeaf ? members.map(({ id }) => id) : here ? shown.filter((one) => one.parent_id === here.id).map(({ id }) => id) : [];
  return { dots, lines: joined(map, new Set(dots.map(({ id }) => id))), parts };
}

/** The relationships of entities, as those of what stands for them in the picture. */
function joined(map: GraphMap, drawn: Set<string>): Line[] {
  const standIn = map.nodes.map(({ id, communities }) =>
    drawn.has(id) ? id : communities.find((one) => drawn.has(one)),
  );
  const weights = new Map<string, number>();
  for (const { source, target, weight } of map.edges) {
    const ends = [standIn[source], standIn[target]];
    if (!ends[0] || !ends[1] || ends[0] === ends[1]) continue;
    const key = ends.sort().join(" ");
    weights.set(key, (weights.get(key) ?? 0) + weight);
  }
  return [...weights].map(([key, weight]) => {
    const [source, target] = key.split(" ") as [string, string];
    return { source, target, size: Math.min(6, 0.5 + Math.log1p(weight)) };
  });
}

function titleOf(one: Place): string {
  return one.title || entitiesIn(one.size);
}
