// Asks the server, with the token, and says in words what went wrong.
import { signal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import type { Index } from "./types";

const TOKEN = /^#([A-Za-z0-9_~.-]{16,512})$/;

export class Problem extends Error {
  constructor(
    readonly status: number,
    detail: string,
    readonly hint = "",
  ) {
    super(detail);
  }
}

/** The server wants a token, or another one. */
export const locked = signal(false);
/** The server does not answer. */
export const away = signal(false);
/** Grows when what is shown may have changed: all of it is asked for again. */
export const changes = signal(0);
export const indexes = signal<Index[] | null>(null);
export const readOnly = signal(false);

/** Takes the token out of the address, where it would be seen and kept. */
export function takeToken(): void {
  const given = TOKEN.exec(location.hash)?.[1];
  if (given) useToken(given, false);
  if (given) history.replaceState(null, "", location.pathname);
}

export function useToken(token: string, again = true): void {
  sessionStorage.setItem("token", token);
  locked.value = false;
  if (again) changes.value++;
}

export async function send(path: string, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers);
  const token = sessionStorage.getItem("token");
  if (token) headers.set("Authorization", `Bearer ${token}`);
  let reply: Response;
  try {
    reply = await fetch(path, { ...init, headers });
  } catch (error) {
    if (init.signal?.aborted) throw error;
    waitForServer();
    throw new Problem(0, "The server does not answer.", "What you see stays; it is asked again.");
  }
  if (reply.ok) return reply;
  if (reply.status === 401) locked.value = true;
  throw await problemOf(reply);
}

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  return (await send(path, signal ? { signal } : {})).json();
}

export async function post<T>(path: string, body: unknown = {}): Promise<T> {
  return (await send(path, jsonBody(body))).json();
}

export function jsonBody(body: unknown): RequestInit {
  const headers = { "Content-Type": "application/json" };
  return { method: "POST", headers, body: JSON.stringify(body) };
}

export async function loadIndexes(): Promise<void> {
  const found = await get<{ indexes: Index[]; read_only: boolean }>("/api/indexes");
  indexes.value = found.indexes;
  readOnly.value = found.read_only;
}

/** Server-sent events of a reply, until it ends. */
export async function* eventsOf(reply: Response): AsyncGenerator<{ name: string; data: unknown }> {
  const reader = reply.body!.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n\n");
    rest = parts.pop()!;
    for (const part of parts) {
      const name = /^event: (.*)$/m.exec(part)?.[1];
      const data = /^data: (.*)$/m.exec(part)?.[1];
      if (name && data) yield { name, data: JSON.parse(data) };
    }
  }
}

export interface Loaded<T> {
  value?: T;
  problem?: Problem;
}

/** What is at `path`; the last of it stays while it is asked for again. */
export function useLoaded<T>(path: string | null): Loaded<T> {
  const [state, setState] = useState<Loaded<T> & { path?: string }>({});
  const change = changes.value;
  useEffect(() => {
    if (path === null) return;
    const stop = new AbortController();
    get<T>(path, stop.signal).then(
      (value) => setState({ path, value }),
      (problem) => {
        if (stop.signal.aborted) return;
        setState((old) => (old.path === path ? { ...old, problem } : { path, problem }));
      },
    );
    return () => stop.abort();
  }, [path, change]);
  return state.path === path ? state : {};
}

async function problemOf(reply: Response): Promise<Problem> {
  try {
    const { detail, hint } = await reply.json();
    return new Problem(reply.status, detail, hint);
  } catch {
    return new Problem(reply.status, `The server says ${reply.status}.`);
  }
}

function waitForServer(): void {
  if (away.value) return;
  away.value = true;
  const timer = setInterval(async () => {
    try {
      if (!(await fetch("/health")).ok) return;
    } catch {
      return;
    }
    clearInterval(timer);
    away.value = false;
    changes.value++;
  }, 1500);
}
