// The graph as a map: search, expand, filter, and the way from one entity to another.
import { useEffect, useMemo, useState } from "preact/hooks";
import { get, useLoaded } from "./api";
import { Canvas } from "./canvas";
import { Applied } from "./correct";
import { EntityPanel, EntitySearch, WayPanel } from "./entity";
import { hueOf } from "./hues";
import { Empty, Notices, Waiting, Wrong } from "./notices";
import type { Dot, Line } from "./picture";
import { api, become, go, route } from "./route";
import { opened, SourcePane } from "./source";
import { theme } from "./theme";
import type { EntityDetail, GraphMap, Neighbourhood } from "./types";
import { counted, entitiesIn } from "./words";

const TYPES = 10; // that have a filter of their own
const OTHERS = "other types";

type Place = Omit<GraphMap["nodes"][number], "communities"> & { communities?: string[] };

export function GraphView() {
  const { query } = route.value;
  const [entity, to, community] = ["entity", "to", "community"].map((name) => query.get(name));
  const map = useLoaded<GraphMap>(api("map"));
  const detail = useLoaded<EntityDetail>(entity ? api(`entities/${entity}`) : null);
  useEffect(() => {
    // A correction may have made it another one, which its name still leads to, or none.
    if (detail.problem?.status !== 404 || !detail.value) return;
    const { name } = detail.value.entity;
    get<Neighbourhood>(api("graph", { around: name, limit: "1" })).then(
      ({ nodes: [now] }) => leave(now!.id, `“${name}” leads to “${now!.name}” now.`),
      (problem) => problem.status === 404 && leave("", `“${name}” is no longer in the graph.`),
    );
  }, [detail.problem]);
  const [left, setLeft] = useState({ to: "", said: "" });
  const leave = (to: string, said: string) => {
    setLeft({ to, said });
    become("graph", { entity: to });
  };
  const way = useLoaded<Neighbourhood>(entity && to ? api("graph", { around: entity, to }) : null);
  const members = useLoaded<Neighbourhood>(community ? api("graph", { community, limit: "500" }) : null);
  const [expanded, setExpanded] = useState<string[]>([]);
  const last = expanded.at(-1);
  const grown = useLoaded<Neighbourhood>(last ? api("graph", { around: last, limit: "200" }) : null);
  const [kept, setKept] = useState<Map<string, Place>>(new Map());
  if (grown.value && !grown.value.nodes.every(({ id }) => kept.has(id))) {
    setKept(new Map([...kept, ...grown.value.nodes.map((one): [string, Place] => [one.id, one])]));
  }
  const [hidden, setHidden] = useState<ReadonlySet<string>>(new Set());
  const [coloring, setColoring] = useState("type");

  const places = useMemo(() => placesOf(map.value, grown.value, way.value, detail.value), [map.value, grown.value, way.value, detail.value]);
  const types = useMemo(() => typesOf(places), [places]);
  const kindOf = (type: string) => (types.some(([name]) => name === type) ? type : OTHERS);
  const levels = useMemo(
    () => [...new Set(map.value?.communities.map((one) => one.level))].sort((a, b) => a - b),
    [map.value],
  );

  const dots = useMemo(() => {
    const only = community ? new Set(members.value?.nodes.map(({ id }) => id)) : expanded.length ? kept : null;
    const wanted = places.filter(
      ({ id, type }) => (!only || only.has(id)) && (id === entity || !hidden.has(kindOf(type))),
    );
    const scale = wanted.length > 2000 ? 0.5 : wanted.length > 800 ? 0.7 : 1;
    const hueOfNode = coloring === "type" ? null : huesOfLevel(map.value, Number(coloring));
    return wanted.map(
      (node): Dot => ({
        id: node.id,
        label: node.name,
        x: node.x,
        y: node.y,
        size: scale * Math.min(14, 2 + Math.sqrt(node.degree) * 1.3),
        color: hueOf(hueOfNode ? hueOfNode(node) : node.type),
      }),
    );
  }, [places, hidden, coloring, expanded.length ? kept : null, community, members.value, theme.value]);
  const lines = useMemo(() => {
    const found: Line[] = (map.value?.edges ?? []).map(({ source, target, weight }) => ({
      source: map.value!.nodes[source]!.id,
      target: map.value!.nodes[target]!.id,
      size: 0.5 + Math.min(2, Math.log1p(weight) / 2),
    }));
    const steps = way.value ? stepsOf(way.value) : [];
    return [...found, ...steps.map(({ source, target }) => ({ source, target, isLit: true }))];
  }, [map.value, way.value]);
  const lit = useMemo(() => {
    if (to && way.value) return new Set(way.value.nodes.map(({ id }) => id));
    if (entity && detail.value) return new Set([entity, ...detail.value.neighbours.map(({ id }) => id)]);
    return new Set<string>();
  }, [entity, to, detail.value, way.value]);
  const centre = to ? undefined : (entity ?? undefined);
  const shown = useMemo(() => ({ dots, lines, lit, centre }), [dots, lines, lit]);
  const isBesideSource = opened.value !== null;
  const look = useMemo(
    () => (community ? dots.map(({ id }) => id) : [...lit]),
    [lit, community && dots, isBesideSource],
  );

  const pick = (id: string | null) => {
    setLeft({ to: "", said: "" });
    const stays = id === null || members.value?.nodes.some((one) => one.id === id);
    go("graph", { entity: id ?? "", community: stays ? (community ?? "") : "" });
  };
  if (!map.value) {
    return (
      <>
        <Wrong problem={map.problem} />
        {!map.problem && <Waiting what="Laying the graph out…" />}
      </>
    );
  }
  if (!map.value.nodes.length) return <Empty title="No entities">Nothing was extracted from these documents.</Empty>;
  const drawn = new Set(dots.map(({ id }) => id));
  const joined = lines.filter(({ source, target, isLit }) => !isLit && drawn.has(source) && drawn.has(target)).length;
  const isPart = community !== null || expanded.length > 0;
  return (
    <div class="graph columns">
      <aside class="panel">
        <EntitySearch label="Search entities" onPick={pick} />
        {left.to === (entity ?? "") && <Notices texts={left.said ? [left.said] : []} />}
        <Applied />
        <Wrong problem={detail.problem ?? way.problem ?? members.problem ?? grown.problem} />
        {detail.value ? (
          <EntityPanel
            key={detail.value.entity.id}
            detail={detail.value}
            onPick={pick}
            onExpand={() => setExpanded([...expanded, detail.value!.entity.id])}
            onClose={() => pick(null)}
          >
            <WayPanel from={detail.value.entity} way={to ? way.value : undefined} />
          </EntityPanel>
        ) : (
          <fieldset>
            <legend>Types</legend>
            {types.map(([type, count]) => (
              <label class="type" key={type}>
                <input
                  type="checkbox"
                  checked={!hidden.has(type)}
                  onChange={() => setHidden(toggled(hidden, type))}
                />
                {coloring === "type" && <i style={{ background: hueOf(type) }} />} {type || "no type"}
                <span class="figure">{count.toLocaleString("en")}</span>
              </label>
            ))}
          </fieldset>
        )}
        <label class="coloring">
          Colours by{" "}
          <select value={coloring} onChange={(event) => setColoring(event.currentTarget.value)}>
            <option value="type">type</option>
            {levels.map((level) => (
              <option key={level} value={level}>
                community, level {level}
              </option>
            ))}
          </select>
        </label>
        {isPart && (
          <button
            onClick={() => {
              setExpanded([]);
              setKept(new Map());
              go("graph", { entity: entity ?? "" });
            }}
          >
            Show the whole graph
          </button>
        )}
      </aside>
      <Canvas
        name="Graph"
        summary={
          `${entitiesIn(dots.length)}, ${counted(joined, "relationship")}` +
          (map.value.left_out && !isPart
            ? `; ${map.value.left_out.toLocaleString("en")} with fewer relationships are found by search`
            : "")
        }
        shown={shown}
        look={look}
        onClick={pick}
      />
      <SourcePane />
    </div>
  );
}

/** Every entity at its place: those of the map, and what was asked for beside it. */
function placesOf(
  map: GraphMap | undefined,
  grown: Neighbourhood | undefined,
  way: Neighbourhood | undefined,
  detail: EntityDetail | undefined,
): Place[] {
  const found = new Map<string, Place>(map?.nodes.map((one) => [one.id, one]));
  const add = (one: Place) => found.has(one.id) || found.set(one.id, one);
  grown?.nodes.forEach(add);
  way?.nodes.forEach(add);
  if (detail && !found.has(detail.entity.id)) {
    const near = detail.neighbours.flatMap(({ id }) => found.get(id) ?? []);
    const mean = (axis: "x" | "y") => near.reduce((sum, one) => sum + one[axis], 0) / (near.length || 1);
    add({ ...detail.entity, x: mean("x") + 0.01, y: mean("y") + 0.01 });
  }
  return [...found.values()];
}

function typesOf(places: Place[]): [string, number][] {
  const counts = new Map<string, number>();
  for (const { type } of places) counts.set(type, (counts.get(type) ?? 0) + 1);
  const ranked = [...counts].sort((one, other) => other[1] - one[1] || one[0].localeCompare(other[0]));
  const rest = ranked.slice(TYPES).reduce((sum, [, count]) => sum + count, 0);
  return rest ? [...ranked.slice(0, TYPES), [OTHERS, rest]] : ranked;
}

function huesOfLevel(map: GraphMap | undefined, level: number): (node: Place) => number {
  const ranks = new Map<string, number>();
  for (const one of map?.communities ?? []) if (one.level === level) ranks.set(one.id, ranks.size);
  return ({ communities }) => communities?.flatMap((one) => ranks.get(one) ?? []).at(0) ?? 9;
}

/** The relationships that join one entity of a way to the next. */
export function stepsOf(way: Neighbourhood): { source: string; target: string; edges: Neighbourhood["edges"] }[] {
  return way.nodes.slice(1).map(({ id: target }, at) => {
    const source = way.nodes[at]!.id;
    const ends = [source, target];
    const edges = way.edges.filter((edge) => ends.includes(edge.source) && ends.includes(edge.target));
    return { source, target, edges };
  });
}

function toggled(set: ReadonlySet<string>, one: string): ReadonlySet<string> {
  const changed = new Set(set);
  if (!changed.delete(one)) changed.add(one);
  return changed;
}
