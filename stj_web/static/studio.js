// What every page shares: the theme, the keys, going from tile to tile, and asking the studio for something.

export const csrf = document.querySelector('meta[name="csrf-token"]').content;

export class Refusal extends Error {
  constructor(error) {
    super(error.message);
    Object.assign(this, error);
  }
}

/** Ask the REST interface; a refusal throws its sentence. */
export async function ask(address, options = {}) {
  let response;
  try {
    response = await fetch(address, { ...options, headers: { "X-CSRFToken": csrf, Accept: "application/json", ...options.headers } });
  } catch {
    throw new Refusal({ status: 0, kind: "offline", message: "The studio does not answer: is it still running?" });
  }
  const body = await response.json().catch(() => ({ error: { status: response.status, kind: "failed", message: "The studio gave no answer that can be read." } }));
  if (!response.ok) throw new Refusal(body.error);
  return body;
}

export function toast(message, kind = "") {
  const line = document.createElement("p");
  line.className = `toast ${kind}`;
  line.textContent = message;
  document.getElementById("toasts").append(line);
  setTimeout(() => line.remove(), kind === "bad" ? 9000 : 4000);
}

export const typing = (event) => event.target.closest("input:not([type=checkbox]), textarea, select, dialog") !== null;
export const plainKey = (event) => !event.ctrlKey && !event.metaKey && !event.altKey;

/** The place above or below in a grid that wraps. */
export function neighbour(items, now, key) {
  const place = items.indexOf(now);
  if (key === "ArrowLeft" || key === "ArrowRight") return items[place + (key === "ArrowRight" ? 1 : -1)];
  const here = now.getBoundingClientRect();
  const down = key === "ArrowDown";
  const lines = items.filter((item) => {
    const box = item.getBoundingClientRect();
    return down ? box.top > here.top + 4 : box.top < here.top - 4;
  });
  const edge = lines.map((item) => item.getBoundingClientRect().top);
  const line = down ? Math.min(...edge) : Math.max(...edge);
  const near = lines.filter((item) => Math.abs(item.getBoundingClientRect().top - line) < 4);
  return near.sort((a, b) => Math.abs(a.getBoundingClientRect().left - here.left) - Math.abs(b.getBoundingClientRect().left - here.left))[0];
}

const theme = document.getElementById("theme");
theme.hidden = false;
theme.addEventListener("click", () => {
  const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  const next = (document.documentElement.dataset.theme ?? system) === "dark" ? "light" : "dark";
  document.documentElement.dataset.theme = next;
  try { localStorage.setItem("theme", next); } catch { /* it lasts for this page */ }
});

// A filter that is empty does not belong in the address.
for (const form of document.querySelectorAll("form[data-filters]")) {
  form.addEventListener("submit", () => {
    for (const field of form.elements) if (field.name && field.value === "") field.disabled = true;
  });
  form.addEventListener("change", (event) => { if (event.target.matches("select")) form.requestSubmit(); });
}
addEventListener("pageshow", () => { for (const field of document.querySelectorAll("form[data-filters] :disabled")) field.disabled = false; });

const places = { c: "/classify", a: "/catalogue", r: "/review", d: "/datasets", u: "/runs", w: "/crawls", j: "/jobs", h: "/" };
let going = 0;
addEventListener("keydown", (event) => {
  if (!plainKey(event) || typing(event) || event.defaultPrevented) return;
  if (Date.now() - going < 1500 && places[event.key]) {
    going = 0;
    event.preventDefault();
    event.stopImmediatePropagation();
    location.href = places[event.key];
  } else if (event.key === "g") {
    going = Date.now();
  } else if (event.key === "?") {
    document.getElementById("keys").showModal();
  } else if (event.key === "/") {
    const field = document.querySelector("[data-search]");
    if (field) { event.preventDefault(); field.focus(); field.select(); }
  } else if (event.key === "n" || event.key === "p") {
    document.querySelector(`a[rel=${event.key === "n" ? "next" : "prev"}]`)?.click();
  } else if (event.key.startsWith("Arrow")) {
    const grid = document.querySelector("[data-tiles]");
    if (!grid) return;
    const tiles = [...grid.querySelectorAll("figure > a")];
    const now = document.activeElement.closest?.("[data-tiles] figure > a");
    const next = now ? neighbour(tiles, now, event.key) : event.key === "ArrowRight" ? tiles[0] : null;
    if (next) { event.preventDefault(); next.focus(); next.scrollIntoView({ block: "nearest" }); }
  }
}, true);
