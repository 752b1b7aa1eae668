// Puts numbers into words.

/** "1 relationship", "2,000 relationships". */
export function counted(number: number, one: string, many = `${one}s`): string {
  return `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
}

export function entitiesIn(number: number): string {
  return counted(number, "entity", "entities");
}
