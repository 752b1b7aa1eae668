// What the graph holds of one passage: its entities, and the relationship that its quote says.
import { useMemo } from "preact/hooks";
import { Canvas } from "./canvas";
import { go } from "./route";
import { hueOf } from "./hues";
import { fold } from "./draw";
import type { Edge, Entity, Passage } from "./types";

const MOST = 14; // entities that are drawn
const WIDTH = 2; // of a ring, in heights

export function PassageGraph({ passage, quote }: { passage: Passage; quote: string }) {
  const { entities, edges, named } = useMemo(() => chosen(passage, quote), [passage, quote]);
  const shown = useMemo(() => {
    const carried = edges.filter((edge) => named.has(edge.source) && named.has(edge.target));
    return {
      dots: laidOut(entities, named).map(({ entity, x, y }) => ({
        id: entity.id,
        label: entity.name,
        x,
        y,
        size: named.has(entity.id) ? 8 : 5,
        color: hueOf(entity.type),
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
        summary={`${entities.length} entities of this passage` + (named.size ? `, ${named.size} in the quote` : "")}
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

/** On a ring, where no name covers another; what the quote does not name is further out. */
function laidOut(entities: Entity[], named: Set<string>): { entity: Entity; x: number; y: number }[] {
  const isInner = ({ id }: Entity) => named.size < 2 || named.has(id);
  return [true, false].flatMap((inner) => {
    const ring = entities.filter((one) => isInner(one) === inner);
    return ring.map((entity, at) => {
      const angle = ((at + 0.5) / ring.length) * 2 * Math.PI;
      const radius = inner ? 1 : 1.5;
      return { entity, x: radius * WIDTH * Math.cos(angle), y: radius * Math.sin(angle) };
    });
  });
}
