// A crawl, live: figures, words, pages and pictures as the studio's events bring them.
const live = document.getElementById("live");
if (live && !live.dataset.over) watch();

function watch() {
  const source = new EventSource(live.dataset.events);
  source.addEventListener("pulse", (event) => show(JSON.parse(event.data)));
  source.addEventListener("over", () => source.close());
}

const at = (story, path) => path.split(".").reduce((value, name) => value?.[name], story) ?? 0;
const words = (text) => String(text ?? "").replaceAll("_", " ");

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

function show(pulse) {
  for (const figure of live.querySelectorAll("[data-figure]")) figure.textContent = at(pulse, figure.dataset.figure).toLocaleString("en");
  const state = document.getElementById("state");
  if (state.textContent !== pulse.state) {
    state.textContent = pulse.state;
    state.className = `state ${pulse.state}`;
  }
  const reason = document.getElementById("reason");
  reason.textContent = pulse.reason ?? "";
  reason.hidden = !pulse.reason;
  document.getElementById("words").replaceChildren(
    ...Object.entries(pulse.images).map(([word, n]) => row(word, n, `/catalogue?crawl=${pulse.id}&status=${word}`)),
    ...Object.entries(pulse.reasons).map(([word, n]) => row(words(word), n, null)),
  );
  document.getElementById("pages").replaceChildren(...pulse.newest_pages.map((page) => {
    const name = element("th", {}, `${page.kind} ${page.number}`);
    name.scope = "row";
    return element("tr", {}, name, element("td", {}, words(page.verdict)), element("td", { className: "n" }, String(page.http_status ?? "")), element("td", { className: "n" }, String(page.cards ?? "–")));
  }));
  pictures(pulse.newest);
}

function row(word, n, address) {
  const kind = address ? "" : "soft";
  const name = address ? element("a", { href: address }, word) : word;
  return element("div", {}, element("dt", { className: kind }, name), element("dd", { className: kind }, n.toLocaleString("en")));
}

// Pictures that are there already stay as they are, so that nothing flickers.
function pictures(tiles) {
  const shelf = document.getElementById("newest");
  const there = new Map([...shelf.children].map((figure) => [figure.querySelector("a").getAttribute("href"), figure]));
  shelf.replaceChildren(...tiles.map((tile) => {
    const address = `/pictures/${tile.id}`;
    const known = there.get(address);
    if (known) return known;
    const link = element("a", { href: address });
    link.append(tile.path ? element("img", { src: `${address}/tile.jpg`, alt: tile.title || `picture ${tile.id}`, decoding: "async" }) : element("span", { className: "nothing" }, "no picture"));
    const caption = element("figcaption");
    if (tile.status !== "kept") caption.append(element("span", { className: `chip ${tile.status}` }, tile.status));
    caption.append(element("span", { className: "title" }, tile.title));
    return element("figure", { className: "tile" }, link, caption);
  }));
}
