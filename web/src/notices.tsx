// What is said in place of content: that there is none, that it comes, that something is wrong.
import type { ComponentChildren } from "preact";
import { away, locked, type Problem, useToken } from "./api";

export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <strong>{title}</strong>
      {children && <p>{children}</p>}
    </div>
  );
}

export function Wrong({ problem }: { problem: Problem | undefined }) {
  if (!problem || problem.status === 401 || problem.status === 0) return null;
  return (
    <div class="wrong" role="alert">
      <strong>{problem.message}</strong>
      {problem.hint && <p>{problem.hint}</p>}
    </div>
  );
}

/** What comes beside a result, such as warnings. */
export function Notices({ texts }: { texts: readonly string[] }) {
  return (
    <>
      {texts.map((one) => (
        <p class="notice" key={one}>
          {one}
        </p>
      ))}
    </>
  );
}

export function Waiting({ what }: { what: string }) {
  return (
    <p class="waiting" role="status">
      {what}
    </p>
  );
}

export function Banner() {
  if (locked.value) return <TokenWanted />;
  if (!away.value) return null;
  return (
    <div class="banner" role="status">
      The server does not answer. What you see stays here; it goes on when the server is back.
    </div>
  );
}

function TokenWanted() {
  const enter = (event: SubmitEvent) => {
    event.preventDefault();
    const field = new FormData(event.currentTarget as HTMLFormElement).get("token");
    useToken(String(field).trim().replace(/^.*#/, ""));
  };
  return (
    <form class="banner" onSubmit={enter}>
      <label>
        The server asks for its token, the part after # of the address that{" "}
        <code>graphrag serve</code> printed:{" "}
        <input name="token" type="password" autocomplete="off" required />
      </label>{" "}
      <button>Use it</button>
    </form>
  );
}
