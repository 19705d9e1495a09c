// A run's pictures on a canvas: coloured, looked at closer, chosen by a lasso or with the keys, and then decided about as anywhere.
import { ask, plainKey, toast, typing } from "./studio.js";
import { adopt } from "./select.js";

const MOST = 200;
const MANY = 6_000;
const waiting = document.getElementById("waiting");
if (waiting) load();

async function load() {
  try {
    for (;;) {
      const found = await ask(waiting.dataset.points);
      if (found.state === "ready") {
        if (waiting.dataset.reload !== undefined) return location.reload();
        waiting.hidden = true;
        return show(found);
      }
      waiting.textContent = found.total ? `The map is being computed, once for this run: ${found.done.toLocaleString("en")} of ${found.total.toLocaleString("en")} pictures read …` : "The map is being computed, once for this run …";
      await new Promise((wake) => setTimeout(wake, 700));
    }
  } catch (refusal) {
    waiting.textContent = refusal.message;
  }
}

function show(data) {
  const box = document.getElementById("map"), canvas = document.getElementById("canvas");
  const names = JSON.parse(box.dataset.names), picked = document.getElementById("picked");
  const brush = canvas.getContext("2d");
  const n = data.ids.length;
  box.hidden = false;
  for (const note of data.notes) document.getElementById("notes").append(Object.assign(document.createElement("p"), { className: "soft", textContent: note }));

  // What colours a point: a group by its number, -1 for what has none.
  const columns = {
    class: { of: data.label, words: (at) => names[at] ?? `class ${at}`, tint: (at) => at, none: "none of the classes" },
    answer: { of: data.answer, words: (at) => answerWord(data.answers[at]), tint: (at) => (data.answers[at] === "unsure" ? 3 : data.answers[at] === "none" ? 4 : at), none: "no answer" },
    source: { of: data.source, words: (at) => data.sources[at] || "unknown", tint: (at) => at, none: "others" },
  };
  const column = columns[box.dataset.colour];
  function answerWord(word) { return word === "none" ? "none of these" : word; }
  const groups = [...new Set(column.of)].sort((a, b) => (a < 0) - (b < 0) || a - b);
  const off = new Set();
  const chosen = new Set();
  let now = -1, view = { x: 0, y: 0, scale: 1 }, lasso = null, colours = [];

  const visible = (at) => !off.has(column.of[at]);
  const side = () => Math.min(canvas.clientWidth, canvas.clientHeight) - 28;
  const px = (at) => canvas.clientWidth / 2 + ((data.x[at] - 5_000) / 10_000 * side() - view.x) * view.scale;
  const py = (at) => canvas.clientHeight / 2 + ((data.y[at] - 5_000) / 10_000 * side() - view.y) * view.scale;

  function palette() {
    const style = getComputedStyle(document.documentElement);
    const take = (name) => style.getPropertyValue(name).trim();
    colours = [0, 1, 2, 3, 4, 5].map((at) => take(`--c${at}`));
    colours.none = take("--soft"); colours.ink = take("--ink"); colours.card = take("--card"); colours.accent = take("--accent"); colours.bad = take("--bad");
  }
  const colour = (group) => (group < 0 ? colours.none : colours[column.tint(group) % 6]);

  // Each group has its own form, too: colours alone tell nothing to some, and nothing in print.
  function mark(pen, x, y, r, group) {
    const form = group < 0 ? 0 : column.tint(group) % 4;
    pen.beginPath();
    if (form === 1) pen.rect(x - r, y - r, 2 * r, 2 * r);
    else if (form === 2) { pen.moveTo(x, y - 1.25 * r); pen.lineTo(x + 1.15 * r, y + r * .85); pen.lineTo(x - 1.15 * r, y + r * .85); pen.closePath(); }
    else if (form === 3) { pen.moveTo(x, y - 1.35 * r); pen.lineTo(x + 1.35 * r, y); pen.lineTo(x, y + 1.35 * r); pen.lineTo(x - 1.35 * r, y); pen.closePath(); }
    else pen.arc(x, y, r, 0, 7);
  }

  let due = false;
  function draw() {
    if (due) return;
    due = true;
    requestAnimationFrame(() => { due = false; paint(); });
  }
  function paint() {
    const ratio = devicePixelRatio || 1, w = canvas.clientWidth, h = canvas.clientHeight;
    if (canvas.width !== Math.round(w * ratio) || canvas.height !== Math.round(h * ratio)) { canvas.width = Math.round(w * ratio); canvas.height = Math.round(h * ratio); }
    brush.setTransform(ratio, 0, 0, ratio, 0, 0);
    brush.clearRect(0, 0, w, h);
    const many = n > MANY, r = Math.max(2, Math.min(6.5, (many ? 1.6 : 90 / Math.sqrt(n + 40) + 1.5) * Math.sqrt(view.scale)));
    brush.lineWidth = 1;
    for (const group of groups) {
      if (off.has(group)) continue;
      brush.fillStyle = colour(group);
      brush.strokeStyle = colours.card;
      brush.globalAlpha = chosen.size ? .45 : .88;
      for (let at = 0; at < n; at += 1) {
        if (column.of[at] !== group || chosen.has(at)) continue;
        const x = px(at), y = py(at);
        if (x < -9 || y < -9 || x > w + 9 || y > h + 9) continue;
        if (many) brush.fillRect(x - r, y - r, 2 * r, 2 * r);
        else { mark(brush, x, y, r, group); brush.fill(); brush.stroke(); }
      }
    }
    brush.globalAlpha = 1;
    for (const at of chosen) {
      if (!visible(at)) continue;
      brush.fillStyle = colour(column.of[at]);
      brush.strokeStyle = colours.ink;
      brush.lineWidth = 1.75;
      mark(brush, px(at), py(at), r + 1, column.of[at]);
      brush.fill(); brush.stroke();
    }
    if (now >= 0) {
      brush.strokeStyle = colours.accent;
      brush.lineWidth = 2.5;
      brush.beginPath(); brush.arc(px(now), py(now), r + 6, 0, 7); brush.stroke();
    }
    if (lasso && lasso.length > 1) {
      brush.strokeStyle = colours.accent;
      brush.fillStyle = colours.accent;
      brush.lineWidth = 1.75;
      brush.setLineDash([6, 4]);
      brush.beginPath();
      lasso.forEach(([x, y], at) => (at ? brush.lineTo(x, y) : brush.moveTo(x, y)));
      brush.closePath();
      brush.globalAlpha = .1; brush.fill(); brush.globalAlpha = 1; brush.stroke();
      brush.setLineDash([]);
    }
  }

  function legend() {
    const list = document.getElementById("legend");
    list.replaceChildren(...groups.map((group) => {
      const line = document.createElement("li"), button = document.createElement("button"), key = document.createElement("canvas"), words = document.createElement("span"), count = document.createElement("b");
      button.type = "button"; button.className = "quiet"; button.setAttribute("aria-pressed", String(!off.has(group)));
      key.width = key.height = 32; key.setAttribute("aria-hidden", "true");
      const pen = key.getContext("2d");
      pen.scale(2, 2);
      pen.fillStyle = colour(group);
      mark(pen, 8, 8, 5, group);
      pen.fill();
      words.textContent = group < 0 ? column.none : column.words(group);
      count.textContent = column.of.filter((one) => one === group).length.toLocaleString("en");
      button.append(key, words, count);
      button.title = off.has(group) ? "Show these" : "Hide these";
      button.addEventListener("click", () => { if (off.has(group)) off.delete(group); else off.add(group); legend(); draw(); });
      line.append(button);
      return line;
    }));
  }

  function count() {
    const held = data.share.length ? ` The plane holds ${(100 * (data.share[0] + (data.share[1] ?? 0))).toFixed(0)} % of what tells them apart.` : "";
    document.getElementById("map-count").textContent = `${n.toLocaleString("en")} pictures on the map${chosen.size ? `, ${chosen.size.toLocaleString("en")} chosen` : ""}.${held}`;
  }

  let asked = 0;
  async function settle() {
    draw(); count();
    const mine = asked += 1;
    const rows = [...chosen].slice(0, MOST).map((at) => data.ids[at]);
    if (chosen.size > MOST) toast(`${chosen.size.toLocaleString("en")} are chosen: ${MOST} at once can be decided about, the first are shown.`);
    let text = "";
    if (rows.length) {
      try {
        const answer = await fetch(`${box.dataset.tilesAt}?pictures=${rows.join(",")}`);
        if (!answer.ok) throw new Error();
        text = await answer.text();
      } catch {
        return toast("The studio does not show the chosen pictures: is it still running?", "bad");
      }
    }
    if (mine !== asked) return;
    picked.innerHTML = text;
    for (const tick of picked.querySelectorAll("[data-pick]")) tick.checked = true;
    adopt();
  }
  // A tile that is unticked, or all of them by Escape, leaves the choice on the map, too.
  const form = document.getElementById("selection");
  form?.addEventListener("chosen", () => {
    const kept = new Set([...picked.querySelectorAll("[data-pick]")].filter((tick) => tick.checked).map((tick) => Number(tick.value.split(":")[0])));
    const known = new Set([...picked.querySelectorAll("[data-pick]")].map((tick) => Number(tick.value.split(":")[0])));
    for (const at of [...chosen]) if (known.has(data.ids[at]) && !kept.has(data.ids[at])) chosen.delete(at);
    draw(); count();
  });

  function nearest(x, y, most = 18) {
    let best = -1, least = most * most;
    for (let at = 0; at < n; at += 1) {
      if (!visible(at)) continue;
      const d = (px(at) - x) ** 2 + (py(at) - y) ** 2;
      if (d < least) { least = d; best = at; }
    }
    return best;
  }
  const under = document.getElementById("under");
  function look(at) {
    if (at === now) return;
    now = at;
    draw();
    if (at < 0) return;
    const id = data.ids[at], link = document.createElement("a"), picture = document.createElement("img"), words = document.createElement("p");
    link.href = `/pictures/${id}`;
    Object.assign(picture, { src: `/pictures/${id}/tile.jpg`, alt: `picture ${id}` });
    link.append(picture);
    const label = data.label[at] < 0 ? "none of the classes" : names[data.label[at]] ?? `class ${data.label[at]}`;
    const said = data.answer[at] < 0 ? "" : ` The run says ${answerWord(data.answers[data.answer[at]])}${data.right[at] === 0 ? ", which is wrong" : ""}.`;
    words.textContent = `Picture ${id}: ${label}.${said} ${data.source[at] < 0 ? "" : data.sources[data.source[at]] ?? ""}`;
    const more = Object.assign(document.createElement("a"), { href: `/pictures/${id}/like?by=features`, textContent: "More like this" });
    under.replaceChildren(link, words, more);
  }

  const inside = (x, y, path) => {
    let odd = false;
    for (let a = 0, b = path.length - 1; a < path.length; b = a, a += 1) {
      const [ax, ay] = path[a], [bx, by] = path[b];
      if ((ay > y) !== (by > y) && x < (bx - ax) * (y - ay) / (by - ay) + ax) odd = !odd;
    }
    return odd;
  };
  const place = (event) => { const edge = canvas.getBoundingClientRect(); return [event.clientX - edge.left, event.clientY - edge.top]; };
  let pan = null;
  canvas.addEventListener("pointerdown", (event) => {
    canvas.focus({ preventScroll: true });
    canvas.setPointerCapture(event.pointerId);
    if (event.button === 1 || event.altKey) pan = [...place(event), view.x, view.y];
    else if (event.button === 0) lasso = [place(event)];
    event.preventDefault();
  });
  canvas.addEventListener("pointermove", (event) => {
    const [x, y] = place(event);
    if (pan) { view.x = pan[2] - (x - pan[0]) / view.scale; view.y = pan[3] - (y - pan[1]) / view.scale; draw(); return; }
    if (lasso) { lasso.push([x, y]); draw(); return; }
    look(nearest(x, y));
  });
  canvas.addEventListener("pointerup", (event) => {
    if (pan) { pan = null; return; }
    if (!lasso) return;
    const path = lasso, [x, y] = place(event);
    lasso = null;
    const moved = path.some(([a, b]) => Math.hypot(a - path[0][0], b - path[0][1]) > 6);
    if (!event.shiftKey && moved) chosen.clear();
    if (moved) for (let at = 0; at < n; at += 1) { if (visible(at) && inside(px(at), py(at), path)) chosen.add(at); }
    else {
      const at = nearest(x, y);
      if (at < 0) { draw(); return; }
      if (chosen.has(at)) chosen.delete(at); else chosen.add(at);
      look(at);
    }
    settle();
  });
  canvas.addEventListener("pointercancel", () => { lasso = pan = null; draw(); });
  function zoom(by, x = canvas.clientWidth / 2, y = canvas.clientHeight / 2) {
    const cx = x - canvas.clientWidth / 2, cy = y - canvas.clientHeight / 2, next = Math.min(60, Math.max(1, view.scale * by));
    view.x += cx / view.scale - cx / next; view.y += cy / view.scale - cy / next; view.scale = next;
    if (next === 1) view.x = view.y = 0;
    draw();
  }
  canvas.addEventListener("wheel", (event) => { event.preventDefault(); zoom(event.deltaY < 0 ? 1.2 : 1 / 1.2, ...place(event)); }, { passive: false });
  document.getElementById("closer").addEventListener("click", () => zoom(1.5));
  document.getElementById("wider").addEventListener("click", () => zoom(1 / 1.5));
  document.getElementById("whole").addEventListener("click", () => { view = { x: 0, y: 0, scale: 1 }; draw(); });

  // The next one that way: near, and more that way than to a side.
  function step(key) {
    const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key];
    const x = px(now), y = py(now);
    let best = -1, least = Infinity;
    for (let at = 0; at < n; at += 1) {
      if (at === now || !visible(at)) continue;
      const ahead = (px(at) - x) * dx + (py(at) - y) * dy, aside = Math.abs((px(at) - x) * dy + (py(at) - y) * dx);
      if (ahead < .5 || aside > 2 * ahead) continue;
      const cost = ahead + 2 * aside;
      if (cost < least) { least = cost; best = at; }
    }
    if (best < 0) return;
    look(best);
    const nx = px(best), ny = py(best);
    if (nx < 0 || ny < 0 || nx > canvas.clientWidth || ny > canvas.clientHeight) { view.x += (nx - canvas.clientWidth / 2) / view.scale; view.y += (ny - canvas.clientHeight / 2) / view.scale; draw(); }
  }
  canvas.addEventListener("keydown", (event) => {
    if (!plainKey(event) || typing(event)) return;
    if (event.key.startsWith("Arrow")) { if (now < 0) look(nearest(canvas.clientWidth / 2, canvas.clientHeight / 2, Infinity)); else step(event.key); }
    else if (event.key === "s" && now >= 0) { if (chosen.has(now)) chosen.delete(now); else chosen.add(now); settle(); }
    else if (event.key === "f" && now >= 0) {
      const order = [...data.ids.keys()].filter(visible).sort((a, b) => (data.x[a] - data.x[now]) ** 2 + (data.y[a] - data.y[now]) ** 2 - (data.x[b] - data.x[now]) ** 2 - (data.y[b] - data.y[now]) ** 2);
      for (const at of order.filter((at) => !chosen.has(at) || at === now).slice(0, 11)) chosen.add(at);
      settle();
    }
    else if (event.key === "+" || event.key === "=") zoom(1.5);
    else if (event.key === "-") zoom(1 / 1.5);
    else if (event.key === "Escape") { chosen.clear(); settle(); }
    else if (event.key === "Enter" && now >= 0) location.href = `/pictures/${data.ids[now]}`;
    else return;
    event.preventDefault();
    event.stopPropagation();
  });

  palette(); legend(); count(); draw();
  new ResizeObserver(draw).observe(canvas);
  const again = () => { palette(); legend(); draw(); };
  new MutationObserver(again).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
}
