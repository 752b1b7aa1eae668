// Light or dark: as the system has it, until the reader says otherwise.
import { signal } from "@preact/signals";

type Theme = "light" | "dark";

const system = matchMedia("(prefers-color-scheme: dark)");
const chosen = localStorage.getItem("theme") as Theme | null;

export const theme = signal<Theme>(chosen ?? (system.matches ? "dark" : "light"));
theme.subscribe((value) => (document.documentElement.dataset.theme = value));
system.addEventListener("change", () => {
  if (!localStorage.getItem("theme")) theme.value = system.matches ? "dark" : "light";
});

export function switchTheme(): void {
  theme.value = theme.value === "dark" ? "light" : "dark";
  localStorage.setItem("theme", theme.value);
}
