// What the server's replies hold, as far as it is shown.
export interface Index {
  name: string;
  state: "ready" | "empty";
  documents: number;
  text_units: number;
  entities: number;
  relationships: number;
  communities: number;
  reports: number;
}

export interface Usage {
  chat_calls: number;
  embedding_calls: number;
  prompt_tokens: number;
  completion_tokens: number;
  cached_calls: number;
  cost_usd: number | null;
}

export interface Citation {
  number: number;
  text_unit_id: string;
  document: string;
  title: string;
  quote: string;
  verified: boolean;
  heading: string;
  page: string;
  start: number | null;
  end: number | null;
  exact: boolean;
}

export interface DriftNode {
  question: string;
  answer: string;
  score: number;
  units: string[];
  follow_ups: DriftNode[];
  error?: string;
}

export interface Answer {
  question: string;
  answer: string;
  answered: boolean;
  method: string;
  reason: string;
  extractive: boolean;
  also_searched: string[];
  citations: Citation[];
  unsupported: string[];
  context: {
    text_units: { id: string; document: string; title: string; text: string; score: number }[];
    entities: { id: string; name: string; type: string }[];
  };
  usage: Usage;
  seconds: number;
  warnings: string[];
  trace: { tree?: { question: string; primer: DriftNode[]; follow_ups: DriftNode[] }; cypher?: string };
}

export type Metadata = Record<string, string | number | boolean | null>;

export interface Doc {
  id: string;
  source: string;
  title: string;
  content_hash: string;
  language: string;
  n_tokens: number;
  status: string;
  error: string;
  metadata: Metadata;
}

export interface Block {
  kind: "heading" | "paragraph" | "list" | "table" | "code" | "place";
  start: number;
  end: number;
  text: string;
}

export interface DocumentText {
  document: Doc;
  characters: number;
  blocks: Block[];
}

export interface Entity {
  id: string;
  name: string;
  type: string;
  description: string;
  n_mentions: number;
  degree: number;
}

export interface Edge {
  id: string;
  source: string;
  target: string;
  type: string;
  description: string;
  weight: number;
}

export interface Passage {
  document: Doc;
  text_unit: { id: string; text: string; headings: string[] };
  start: number | null;
  end: number | null;
  entities: Entity[];
  relationships: Edge[];
}

export interface SaidIn {
  text_unit_id: string;
  document: string;
  title: string;
  sentence: string;
  start: number | null;
  end: number | null;
}

export interface Relationship {
  relationship: Edge;
  source: Entity;
  target: Entity;
  sentences: SaidIn[];
}

export interface Community {
  id: string;
  level: number;
  parent_id: string | null;
  size: number;
  title: string;
}

export interface EntityDetail {
  entity: Entity;
  aliases: string[];
  attributes: { name: string; value: string | number | boolean; unit: string | null; text_unit_ids: string[] }[];
  relationships: Edge[];
  neighbours: Entity[];
  mentions: { text_unit_id: string; document: string; title: string; text: string }[];
  communities: Community[];
}

export interface JoinedNames {
  joined: { name: string; reason: string; via: string; decided_by: string; note: string }[];
}

export interface GraphMap {
  nodes: { id: string; name: string; type: string; degree: number; x: number; y: number; communities: string[] }[];
  edges: { source: number; target: number; weight: number }[];
  communities: (Community & { x: number; y: number })[];
  left_out: number;
}

export interface Neighbourhood {
  nodes: { id: string; name: string; type: string; degree: number; x: number; y: number }[];
  edges: Edge[];
  left_out: number;
}

export interface Report {
  community_id: string;
  level: number;
  size: number;
  title: string;
  summary: string;
  rating: number | null;
  rating_explanation: string;
  method: string;
  findings: { summary: string; explanation: string; text_unit_ids: string[] }[];
}

export interface Job {
  id: string;
  index: string;
  kind: "index" | "delete";
  state: "queued" | "running" | "done" | "failed" | "cancelled";
  created: string;
  step: string;
  done: number;
  total: number | null;
  failed: number;
  usage: Usage;
  result: { failed: { source: string; reason: string }[]; warnings?: string[] } | null;
  error: string;
  hint: string;
  /** Dollars, when its step began; known of jobs that are followed. */
  spentBefore?: number | null | undefined;
}

export interface SchemaState {
  schema: object | null;
  check: {
    mode: string;
    by_type: Record<string, number>;
    other_types: Record<string, number>;
  } | null;
}
