// Follows the jobs of the server while they run.
import { signal } from "@preact/signals";
import { changes, eventsOf, get, loadIndexes, post, send } from "./api";
import type { Job, Usage } from "./types";

export const jobs = signal<Job[]>([]);
const RETRY_MS = 1000;
const followed = new Set<string>();

export async function watchJobs(): Promise<void> {
  const found = await get<{ jobs: Job[] }>("/api/jobs");
  jobs.value = found.jobs;
  for (const job of found.jobs) if (!isOver(job)) void follow(job);
}

/** Shows a job that was just begun. */
export function watch(job: Job): void {
  put(job);
  void follow(job);
}

export async function stop(job: Job): Promise<void> {
  put(await post<Job>(`/api/jobs/${job.id}/cancel`));
}

export function isOver(job: Job): boolean {
  return job.state !== "queued" && job.state !== "running";
}

async function follow(job: Job): Promise<void> {
  if (followed.has(job.id)) return;
  followed.add(job.id);
  let isDone = false;
  try {
    const reply = await send(`/api/jobs/${job.id}/events`);
    for await (const { name, data } of eventsOf(reply)) {
      if (name === "step" || name === "progress") note(job.id, data as Progress);
      else if ((data as Job).id) put(data as Job);
      if (name === "step") void loadIndexes().catch(() => undefined);
      isDone ||= name === "end";
    }
  } catch {
    // The server went away: it is asked again.
  }
  followed.delete(job.id);
  if (isDone) changes.value++;
  else setTimeout(() => void watchJobs().catch(() => undefined), RETRY_MS);
}

interface Progress {
  step: string;
  done: number;
  total: number | null;
  usage?: Usage;
}

function note(id: string, { step, done, total, usage }: Progress): void {
  jobs.value = jobs.value.map((one) => {
    if (one.id !== id) return one;
    const spentBefore = one.step === step ? one.spentBefore : one.usage.cost_usd;
    return { ...one, step, done, total, usage: usage ?? one.usage, spentBefore };
  });
}

/** What a job will have cost when its step is done, at the rate of this step; null before it is known. */
export function estimate({ done, total, usage, spentBefore }: Job): number | null {
  const spent = usage.cost_usd;
  if (!done || !total || done >= total || spent === null || spentBefore == null) return null;
  return spent > spentBefore ? spentBefore + ((spent - spentBefore) * total) / done : null;
}

function put(job: Job): void {
  const isKnown = jobs.value.some((one) => one.id === job.id);
  jobs.value = isKnown ? jobs.value.map((one) => (one.id === job.id ? job : one)) : [job, ...jobs.value];
}
