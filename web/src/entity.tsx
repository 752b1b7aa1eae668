// One entity: what is known of it, where that is said, and its way to another.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { readOnly, useLoaded } from "./api";
import { Correct } from "./correct";
import { stepsOf } from "./graph";
import { Waiting, Wrong } from "./notices";
import { api, go, link } from "./route";
import { opened } from "./source";
import type { Edge, Entity, EntityDetail, JoinedNames, Neighbourhood, Relationship } from "./types";
import { counted } from "./words";

const SHOWN = 12; // relationships and passages, before all are asked for

export function EntitySearch({ label, onPick }: { label: string; onPick: (id: string) => void }) {
  const [search, setSearch] = useState("");
  const found = useLoaded<{ total: number; entities: Entity[] }>(
    search.trim() ? api("entities", { search, limit: "12" }) : null,
  );
  const pick = (id: string) => {
    setSearch("");
    onPick(id);
  };
  return (
    <div class="search">
      <input
        type="search"
        aria-label={label}
        placeholder={label}
        value={search}
        onInput={(event) => setSearch(event.currentTarget.value)}
        onKeyDown={(event) => {
          const first = found.value?.entities[0];
          if (event.key === "Enter" && first) pick(first.id);
        }}
      />
      {found.value && search.trim() && (
        <ul class="found" aria-label={`Found: ${label}`}>
          {found.value.entities.map((one) => (
            <li key={one.id}>
              <button onClick={() => pick(one.id)}>
                {one.name} <span class="hint">{one.type}</span>
              </button>
            </li>
          ))}
          {!found.value.total && <li class="hint">No entity of that name.</li>}
        </ul>
      )}
    </div>
  );
}

interface EntityPanelProps {
  detail: EntityDetail;
  onPick: (id: string) => void;
  onExpand: () => void;
  onClose: () => void;
  children: ComponentChildren;
}

export function EntityPanel({ detail, onPick, onExpand, onClose, children }: EntityPanelProps) {
  const { entity, aliases, relationships, mentions, communities } = detail;
  const [isWhole, setWhole] = useState(false);
  const most = isWhole ? Infinity : SHOWN;
  const names = new Map([entity, ...detail.neighbours].map((one) => [one.id, one.name]));
  return (
    <section class="entity" aria-label="Entity">
      <header>
        <h2>{entity.name}</h2>
        <button class="quiet" aria-label="Close the entity" onClick={onClose}>
          ✕
        </button>
      </header>
      <p class="hint">
        {entity.type} · {counted(entity.degree, "relationship")} · {counted(entity.n_mentions, "mention")}
      </p>
      {aliases.length > 1 && <Aliases id={entity.id} names={aliases.filter((one) => one !== entity.name)} />}
      <div class="choice">
        <button onClick={onExpand}>Expand</button>
        {communities.map((one) => (
          <a key={one.id} href={link("communities", { community: one.id })} title={one.title}>
            Community, level {one.level}
          </a>
        ))}
      </div>
      <Description text={entity.description} />
      {detail.attributes.length > 0 && (
        <dl class="attributes">
          {detail.attributes.map((one, at) => (
            <div key={at}>
              <dt>{one.name}</dt>
              <dd>
                <button class="quiet" onClick={() => (opened.value = { unit: one.text_unit_ids[0]! })}>
                  {String(one.value)} {one.unit}
                </button>
              </dd>
            </div>
          ))}
        </dl>
      )}
      {!readOnly.value && <Correct key={entity.id} name={entity.name} names={[entity.name, ...aliases]} />}
      {children}
      <h3>Relationships</h3>
      <ul class="relationships">
        {relationships.slice(0, most).map((edge) => (
          <Related key={edge.id} edge={edge} here={entity.id} names={names} onPick={onPick} />
        ))}
      </ul>
      <h3>Said in</h3>
      <ul class="mentions">
        {mentions.slice(0, most).map((one) => (
          <li key={one.text_unit_id}>
            <button onClick={() => (opened.value = { unit: one.text_unit_id })}>{one.title || one.document}</button>
          </li>
        ))}
      </ul>
      {!isWhole && (relationships.length > SHOWN || mentions.length > SHOWN) && (
        <button class="quiet" onClick={() => setWhole(true)}>
          Show all
        </button>
      )}
    </section>
  );
}

/** The names that became this entity; why is asked for when it is wanted. */
function Aliases({ id, names }: { id: string; names: string[] }) {
  const [isOpen, setOpen] = useState(false);
  const { value, problem } = useLoaded<JoinedNames>(isOpen ? api(`entities/${id}/joins`) : null);
  return (
    <details class="aliases" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>Also called: {names.join(", ")}</summary>
      <Wrong problem={problem} />
      <ul>
        {value?.joined.map((one) => (
          <li key={one.name}>
            <strong>{one.name}</strong> {one.reason}
            {one.via && `, by way of ${one.via}`} <span class="hint">({one.decided_by})</span> {one.note}
          </li>
        ))}
      </ul>
    </details>
  );
}

function Description({ text }: { text: string }) {
  const [first, ...rest] = text.split("\n").map((line) => line.replace(/^#+\s/, "").trim()).filter(Boolean);
  if (!first) return null;
  return (
    <div class="description">
      <p>{first}</p>
      {rest.length > 0 && (
        <details>
          <summary>{rest.length} more</summary>
          {rest.map((line, at) => (
            <p key={at}>{line}</p>
          ))}
        </details>
      )}
    </div>
  );
}

interface RelatedProps {
  edge: Edge;
  here: string;
  names: Map<string, string>;
  onPick: (id: string) => void;
}

function Related({ edge, here, names, onPick }: RelatedProps) {
  const [isOpen, setOpen] = useState(false);
  const other = edge.source === here ? edge.target : edge.source;
  return (
    <li>
      <button class="title" onClick={() => onPick(other)}>
        {names.get(other) ?? other}
      </button>{" "}
      <button class="quiet" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
        {edge.source === here ? "→" : "←"} {edge.type || "related"}
      </button>
      {isOpen && <Sentences relationship={edge.id} />}
    </li>
  );
}

/** The sentences that say a relationship; each opens where it stands. */
function Sentences({ relationship }: { relationship: string }) {
  const { value, problem } = useLoaded<Relationship>(api(`relationships/${relationship}`));
  if (!value) return problem ? <Wrong problem={problem} /> : <Waiting what="Looking it up…" />;
  return (
    <ul class="sentences">
      {value.sentences.map((one, at) => (
        <li key={at}>
          <button
            onClick={() =>
              (opened.value = { unit: one.text_unit_id, quote: one.sentence, start: one.start, end: one.end })
            }
          >
            {one.sentence} <span class="where">{one.title}</span>
          </button>
        </li>
      ))}
      {!value.sentences.length && <li class="hint">{value.relationship.description || "No sentence names both."}</li>}
    </ul>
  );
}

export function WayPanel({ from, way }: { from: Entity; way: Neighbourhood | undefined }) {
  return (
    <section class="way" aria-label="Way">
      <h3>Way to another entity</h3>
      <EntitySearch label="Find a way to" onPick={(to) => go("graph", { entity: from.id, to })} />
      {way && (
        <ol>
          {stepsOf(way).map(({ source, target, edges }) => (
            <li key={target}>
              <strong>{nameIn(way, source)}</strong> → <strong>{nameIn(way, target)}</strong>
              {edges.slice(0, 3).map((edge) => (
                <div key={edge.id}>
                  <span class="hint">{edge.type}</span>
                  <Sentences relationship={edge.id} />
                </div>
              ))}
            </li>
          ))}
        </ol>
      )}
    </section>
  );
}

function nameIn(way: Neighbourhood, id: string): string {
  return way.nodes.find((one) => one.id === id)?.name ?? id;
}
