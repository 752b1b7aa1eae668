// The explorer: which index, which view, and the frame around it.
import { effect } from "@preact/signals";
import { render } from "preact";
import { useEffect } from "preact/hooks";
import { changes, indexes, loadIndexes, locked, takeToken } from "./api";
import { AskView } from "./ask";
import { CommunitiesView } from "./communities";
import { DocumentsView } from "./documents";
import { GraphView } from "./graph";
import { watchJobs } from "./jobs";
import { Banner, Empty, Waiting } from "./notices";
import { become, go, link, route, VIEWS } from "./route";
import { opened } from "./source";
import { switchTheme, theme } from "./theme";
import { counted, entitiesIn } from "./words";

const TITLES = { ask: "Ask", graph: "Graph", communities: "Communities", documents: "Documents" };

takeToken();
effect(() => {
  changes.value;
  loadIndexes().then(watchJobs, () => undefined);
});
effect(() => {
  const first = indexes.value?.[0];
  if (first && !indexes.value!.some((one) => one.name === route.value.index)) {
    become("ask", {}, first.name);
  }
});
addEventListener("keydown", (event) => {
  if (event.key === "Escape") opened.value = null;
  const isTyping = (event.target as HTMLElement).closest("input, textarea, select");
  if (event.key === "/" && !isTyping) {
    event.preventDefault();
    document.querySelector<HTMLElement>("[aria-label=Question], [type=search]")?.focus();
  }
});

function Explorer() {
  const { view, index: name } = route.value;
  const index = indexes.value?.find((one) => one.name === name);
  useEffect(() => {
    opened.value = null;
    document.title = `${TITLES[view]} · ${name || "graphrag"}`;
  }, [view, name]);
  return (
    <>
      <header class="bar">
        <h1>graphrag</h1>
        {indexes.value && (
          <select
            aria-label="Index"
            value={name}
            onChange={(event) => go(view, {}, event.currentTarget.value)}
          >
            {indexes.value.map((one) => (
              <option key={one.name}>{one.name}</option>
            ))}
          </select>
        )}
        <nav aria-label="Views">
          {VIEWS.map((one) => (
            <a key={one} href={link(one)} aria-current={one === view ? "page" : undefined}>
              {TITLES[one]}
            </a>
          ))}
        </nav>
        <span class="spring" />
        {index && (
          <span class="counts">
            {counted(index.documents, "document")} · {entitiesIn(index.entities)} ·{" "}
            {counted(index.relationships, "relationship")}
          </span>
        )}
        <button
          class="quiet"
          aria-label={theme.value === "dark" ? "Light colours" : "Dark colours"}
          onClick={switchTheme}
        >
          {theme.value === "dark" ? "☀" : "☾"}
        </button>
      </header>
      <Banner />
      <main>{index ? <View view={view} isEmpty={index.state === "empty"} key={name} /> : <Start />}</main>
    </>
  );
}

function Start() {
  if (locked.value) {
    return (
      <Empty title="This server asks for a token">
        Open the address that the command printed, with what stands after #, or enter it above.
      </Empty>
    );
  }
  return <Waiting what="Asking the server…" />;
}

function View({ view, isEmpty }: { view: (typeof VIEWS)[number]; isEmpty: boolean }) {
  if (isEmpty && view !== "documents") {
    return (
      <Empty title="Nothing is indexed yet">
        <a href={link("documents")}>Add documents</a>, then ask about them here.
      </Empty>
    );
  }
  if (view === "ask") return <AskView />;
  if (view === "graph") return <GraphView />;
  if (view === "communities") return <CommunitiesView />;
  return <DocumentsView isEmpty={isEmpty} />;
}

render(<Explorer />, document.getElementById("explorer")!);
