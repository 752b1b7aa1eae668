// What the graph holds of one passage: its entities, and the relationship that its quote says.
import { useMemo } from "preact/hooks";
import { Canvas } from "./canvas";
import { go } from "./route";
import { hueOf } from "./hues";
import { fold } from "./draw";
import type { Edge, Entity, Passage } from "./types";
import { entitiesIn } from "./words";

const MOST = 14; // entities that are drawn
const WIDTH = 1.5; // of the oval, in heights

export function PassageGraph({ passage, quote }: { passage: Passage; quote: string }) {
  const { entities, edges, named } = useMemo(() => chosen(passage, quote), [passage, quote]);
  const shown = useMemo(() => {
    const carried = edges.filter((edge) => named.has(edge.source) && named.has(edge.target));
    return {
      dots: laidOut(entities).map(({ entity, x, y }) => ({
        id: entity.id,
        label: entity.name,
        x,
        y,
        size: named.has(entity.id) ? 8 : 5,
        color: hueOf(entity.type),
        isNamedLeft: x < 0,
      })),
      lines: edges.map((edge) => ({ ...edge, size: 1, isLit: carried.includes(edge) })),
      lit: named,
    };
  }, [entities, edges, named]);
  if (!entities.length) return null;
  const lit = entities.filter((one) => named.has(one.id));
  return (
    <div class="beside">
      <Canvas
        name="Graph"
        summary={`${entitiesIn(entities.length)} of this passage` + (named.size ? `, ${named.size} in the quote` : "")}
        shown={shown}
        onClick={(id) => id && go("graph", { entity: id })}
      />
      <ul class="chips" aria-label="Entities of the passage">
        {(lit.length ? lit : entities).slice(0, 12).map((one) => (
          <li key={one.id}>
            <button onClick={() => go("graph", { entity: one.id })}>{one.name}</button>
          </li>
        ))}
      </ul>
    </div>
  );
}

/** The entities that the quote names come first; they are the proof's part of the graph. */
function chosen(passage: Passage, quote: string): { entities: Entity[]; edges: Edge[]; named: Set<string> } {
  const said = fold(quote);
  const isNamed = (one: Entity) => fold(one.name) !== "" && said.includes(fold(one.name));
  const named = passage.entities.filter(isNamed);
  const rest = passage.entities.filter((one) => !isNamed(one));
  const entities = [...named, ...rest].slice(0, MOST);
  const ids = new Set(entities.map((one) => one.id));
  return {
    entities,
    edges: passage.relationships.filter((edge) => ids.has(edge.source) && ids.has(edge.target)),
    named: new Set(named.slice(0, MOST).map((one) => one.id)),
  };
}

/** On an oval, in rows, with the names outside: no name covers another. */
function laidOut(entities: Entity[]): { entity: Entity; x: number; y: number }[] {
  const rows = Math.ceil(entities.length / 2);
  return entities.map((entity, at) => {
    const y = rows > 1 ? 1 - (2 * (at >> 1)) / (rows - 1) : 0;
    const x = WIDTH * Math.sqrt(1 - (0.8 * y) ** 2);
    return { entity, x: at % 2 ? x : -x, y };
  });
}
