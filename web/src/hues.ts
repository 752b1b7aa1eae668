// The colours of types and communities: as many as the eye can tell apart, the same each time.
import { colorOf } from "./picture";
import { theme } from "./theme";

const HUES = 10;
const USUAL = ["person", "organization", "location", "date", "event", "concept", "work", "product"];
const computed = new Map<string, string>();

/** Of a type by its name; of a community by its number. */
export function hueOf(key: string | number): string {
  const number = typeof key === "number" ? key % HUES : numberOf(key.toLowerCase());
  const name = `${theme.value} ${number}`;
  if (!computed.has(name)) computed.set(name, colorOf(document.body, `--hue-${number}`));
  return computed.get(name)!;
}

function numberOf(type: string): number {
  const usual = USUAL.indexOf(type);
  if (usual >= 0) return usual;
  if (type === "" || type === "name") return HUES - 1;
  let sum = 7;
  for (const character of type) sum = (sum * 31 + character.codePointAt(0)!) % 9973;
  return sum % HUES;
}
