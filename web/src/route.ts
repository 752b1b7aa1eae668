// Which view of which index the address shows: #/INDEX/VIEW?…
import { signal } from "@preact/signals";

export const VIEWS = ["ask", "graph", "communities", "documents"] as const;
export type View = (typeof VIEWS)[number];
type Query = Record<string, string | string[] | undefined>;

export const route = signal(readRoute());
addEventListener("hashchange", () => (route.value = readRoute()));

function readRoute(): { index: string; view: View; query: URLSearchParams } {
  const [, path = "", query] = /^#?\/?([^?]*)\??(.*)$/.exec(location.hash)!;
  const [index = "", view] = path.split("/").map(decodeURIComponent);
  const known = VIEWS.find((one) => one === view) ?? "ask";
  return { index, view: known, query: new URLSearchParams(query) };
}

/** An address within this page. */
export function link(view: View, query: Query = {}, index = route.value.index): string {
  const given = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const one of [value ?? []].flat()) if (one !== "") given.append(name, one);
  }
  const search = given.size ? `?${given}` : "";
  return `#/${encodeURIComponent(index)}/${view}${search}`;
}

export function go(view: View, query: Query = {}, index = route.value.index): void {
  location.hash = link(view, query, index);
}

/** As `go`, but "back" does not lead here again. */
export function become(view: View, query: Query = {}, index = route.value.index): void {
  history.replaceState(null, "", link(view, query, index));
  route.value = readRoute();
}

/** As `go`, for a view that shows already what the address will say. */
export function proceed(view: View, query: Query = {}): void {
  const there = link(view, query);
  if (there !== location.hash) history.pushState(null, "", there);
  route.value = readRoute();
}

/** The server's address of something in the index that is shown. */
export function api(path: string, query: Query = {}): string {
  const given = link("ask", query).split("?")[1];
  return `/api/indexes/${encodeURIComponent(route.value.index)}/${path}${given ? `?${given}` : ""}`;
}
