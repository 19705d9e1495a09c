// Drop, paste, choose or photograph pictures; each is sent alone, a few at a time, and answered in its own card. Many are summed up,
// sorted, filtered and taken away as a table.
import { ask, toast, typing } from "./studio.js";

const AT_ONCE = 2;
const TRIES = 8;
const WORDS = { unsure: "unsure", none: "none of these", error: "not read" };
const form = document.getElementById("drop");
if (form) begin();

function begin() {
  const answers = document.getElementById("answers");
  const names = JSON.parse(answers.dataset.names);
  const progress = document.getElementById("progress");
  const waiting = [];
  const made = [];
  let working = 0, done = 0, all = 0;
  document.getElementById("drop-hint").textContent = "Drop pictures here, paste one, or choose";

  const take = (files) => {
    for (const file of files) {
      const one = { file, card: place(file), place: made.length, answer: null };
      made.push(one);
      waiting.push(one);
      all += 1;
    }
    next();
  };
  const next = () => {
    while (working < AT_ONCE && waiting.length) {
      working += 1;
      classify(waiting.shift()).finally(() => { working -= 1; done += 1; next(); summary(); });
    }
    progress.textContent = done < all ? `${done} of ${all} answered…` : all ? `${all} ${all === 1 ? "file" : "files"} answered` : "";
  };

  function place(file) {
    const card = document.getElementById("answer").content.firstElementChild.cloneNode(true);
    const photo = card.querySelector(".photo");
    photo.src = URL.createObjectURL(file);
    photo.alt = file.name;
    photo.addEventListener("error", () => { card.querySelector(".preview").hidden = true; });
    card.querySelector("h2").textContent = "…";
    card.querySelector(".file").textContent = file.name;
    card.classList.add("busy");
    answers.append(card);
    return card;
  }

  // Whoever is told to come again does so; a picture is not given up because others came first.
  async function patiently(work) {
    for (let tried = 1; ; tried += 1) {
      try {
        return await work();
      } catch (refusal) {
        if (tried >= TRIES || ![429, 503].includes(refusal.status) || refusal.kind === "no_model") throw refusal;
        await new Promise((wake) => setTimeout(wake, 1000 * tried));
      }
    }
  }

  async function send(file, explain) {
    const fields = new FormData();
    fields.append("files", file, file.name || "picture");
    const run = document.getElementById("run");
    if (run) fields.append("run", run.value);
    if (explain) fields.append("explain", "1");
    return ask("/api/v1/classify", { method: "POST", body: fields });
  }

  async function classify(one) {
    const { file, card } = one;
    try {
      // What its browser knows to be something else is named and counted like any file that cannot be read, and not sent.
      if (file.type && !file.type.startsWith("image/")) throw { message: `It is no picture, but ${file.type}.`, kind: "not_image" };
      const { run, answers: [answer] } = await patiently(() => send(file, false));
      Object.assign(one, { answer, run });
      show(card, answer);
      if (answer.error === null) card.querySelector(".look").addEventListener("click", (event) => look(event.currentTarget, card, file));
    } catch (refusal) {
      one.answer = { file: file.name, error: refusal.message, reason: refusal.kind, probabilities: null, answer: null, label: null, out_of_scope: null, learned: null };
      fail(card, refusal.message);
    } finally {
      card.classList.remove("busy");
    }
  }

  async function look(button, card, file) {
    const heat = card.querySelector(".heat");
    if (!heat.src) {
      button.disabled = true;
      try {
        const { answers: [answer] } = await send(file, true);
        if (!answer.explanation) return toast("This model cannot say where it looked.");
        heat.src = answer.explanation;
      } catch (refusal) {
        return toast(refusal.message, "bad");
      } finally {
        button.disabled = false;
        button.focus();
      }
      heat.hidden = true;
    }
    heat.hidden = !heat.hidden;
    button.setAttribute("aria-pressed", String(!heat.hidden));
  }

  function fail(card, message) {
    card.querySelector("h2").textContent = "Not read";
    const line = card.querySelector(".error");
    line.textContent = message;
    line.hidden = false;
  }

  function show(card, answer) {
    if (answer.error !== null) return fail(card, answer.error);
    const word = { unsure: "Unsure", none: "None of these" }[answer.answer];
    card.querySelector("h2").textContent = word ?? names[answer.label] ?? answer.answer;
    card.dataset.answer = answer.answer;
    if (answer.learned) {
      const line = card.querySelector(".learned");
      line.textContent = `The model ${answer.learned.split === "train" ? "learned from" : "was judged on"} this very picture (${answer.learned.split}).`;
      line.hidden = false;
    }
    card.querySelector(".scope").textContent = word ? `Likeliest: ${names[answer.label] ?? answer.label}` : "";
    card.querySelector(".bars").replaceChildren(...Object.entries(answer.probabilities).map(([label, share]) => bar(label, share)));
    card.querySelector(".near").replaceChildren(...answer.nearest.map(near));
    card.querySelector(".read").hidden = false;
  }

  function bar(label, share) {
    const line = document.createElement("li");
    const name = document.createElement("span");
    name.textContent = names[label] ?? label;
    const meter = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    for (const [key, value] of Object.entries({ class: "bar", viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true" })) meter.setAttribute(key, value);
    for (const [kind, width] of [["track", 100], [`fill c${label % 6}`, 100 * share]]) {
      const part = document.createElementNS("http://www.w3.org/2000/svg", "rect");
      for (const [key, value] of Object.entries({ class: kind, width: width.toFixed(2), height: 8, rx: 1 })) part.setAttribute(key, value);
      meter.append(part);
    }
    const figure = document.createElement("b");
    figure.textContent = `${(100 * share).toFixed(1)} %`;
    line.append(name, meter, figure);
    return line;
  }

  function anchor(address, content) {
    const link = document.createElement("a");
    link.href = address;
    link.append(content);
    return link;
  }

  function near(one) {
    const line = document.createElement("li");
    const picture = document.createElement("img");
    const title = one.title || one.asin || "training picture";
    Object.assign(picture, { src: one.thumbnail, alt: title, loading: "lazy" });
    const words = document.createElement("span");
    if (one.label !== null) {
      const tag = document.createElement("span");
      tag.className = `class c${one.label % 6}`;
      tag.textContent = names[one.label] ?? one.label;
      words.append(tag, " ");
    }
    if (/^https?:\/\//.test(one.product_url)) {
      words.append(Object.assign(anchor(one.product_url, title), { rel: "noopener noreferrer", target: "_blank" }));
    } else words.append(title);
    line.append(one.page ? anchor(one.page, picture) : picture, words);
    return line;
  }

  const only = document.getElementById("only"), order = document.getElementById("order");
  const word = (one) => one.answer.error !== null ? "error" : one.answer.answer;
  const spoken = (given) => WORDS[given] ?? given;
  const sure = (one) => one.answer.error === null ? Math.max(...Object.values(one.answer.probabilities)) : -1;

  function summary() {
    const answered = made.filter((one) => one.answer);
    document.getElementById("many").hidden = answered.length < 2;
    const counts = new Map();
    for (const one of answered) counts.set(word(one), (counts.get(word(one)) ?? 0) + 1);
    const sorted = [...counts].sort((a, b) => b[1] - a[1]);
    document.getElementById("summary").textContent = sorted.map(([name, n]) => `${n} ${spoken(name)}`).join(", ");
    const now = only.value;
    only.replaceChildren(new Option("all", ""), ...sorted.map(([name, n]) => new Option(`${spoken(name)} (${n})`, name)));
    only.value = counts.has(now) ? now : "";
    arrange();
  }

  const ways = {
    chosen: (a, b) => a.place - b.place,
    surest: (a, b) => sure(b) - sure(a) || a.place - b.place,
    least: (a, b) => sure(a) - sure(b) || a.place - b.place,
    answer: (a, b) => word(a).localeCompare(word(b)) || a.place - b.place,
  };

  // Those that wait for their answer stay behind, in the order in which they were chosen.
  function arrange() {
    const answered = made.filter((one) => one.answer).sort(ways[order.value]);
    for (const one of made) one.card.hidden = Boolean(one.answer && only.value && word(one) !== only.value);
    const cards = order.value === "chosen" ? made.map((one) => one.card) : [...answered, ...made.filter((one) => !one.answer)].map((one) => one.card);
    if (cards.some((card, at) => answers.children[at] !== card)) answers.replaceChildren(...cards);
  }

  // A text that a spreadsheet would take for a formula begins with an apostrophe.
  const cell = (value) => {
    const text = value === null || value === undefined ? "" : String(value);
    const inert = /^[=+\-@\t\r]/.test(text) && typeof value === "string" ? `'${text}` : text;
    return /[",\n\r]/.test(inert) ? `"${inert.replaceAll('"', '""')}"` : inert;
  };
  const shown = () => made.filter((one) => one.answer && !one.card.hidden).sort(ways[order.value]);
  function save(name, type, text) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }
  document.getElementById("as-json").addEventListener("click", () => {
    const rows = shown().map((one) => {
      const { nearest: _near, explanation: _heat, ...row } = one.answer;
      return { ...row, run: one.run ?? null };
    });
    save("answers.json", "application/json", `${JSON.stringify(rows, null, 1)}\n`);
  });
  document.getElementById("as-csv").addEventListener("click", () => {
    const rows = shown();
    const labels = [...new Set(rows.flatMap((one) => Object.keys(one.answer.probabilities ?? {})))];
    const head = ["file", "answer", "label", ...labels.map((label) => `p${label}`), "out_of_scope", "learned", "error", "run"];
    const lines = rows.map(({ answer, run }) => [answer.file, answer.answer, answer.label, ...labels.map((label) => answer.probabilities?.[label]), answer.out_of_scope, answer.learned?.split, answer.error, run]);
    save("answers.csv", "text/csv", `${[head, ...lines].map((line) => line.map(cell).join(",")).join("\n")}\n`);
  });
  document.getElementById("clear").addEventListener("click", () => {
    for (const one of made) if (one.answer) URL.revokeObjectURL(one.card.querySelector(".photo").src);
    const left = made.filter((one) => !one.answer);
    made.splice(0, made.length, ...left);
    answers.replaceChildren(...left.map((one) => one.card));
    all = left.length; done = 0;
    next();
    summary();
  });
  for (const field of [only, order]) field.addEventListener("change", arrange);

  for (const id of ["files", "camera"]) {
    const field = document.getElementById(id);
    field.addEventListener("change", () => { take(field.files); field.value = ""; });
  }
  form.addEventListener("submit", (event) => event.preventDefault());
  addEventListener("paste", (event) => { if (!typing(event) && event.clipboardData.files.length) take(event.clipboardData.files); });
  for (const kind of ["dragenter", "dragover"]) addEventListener(kind, (event) => { event.preventDefault(); form.classList.add("over"); });
  for (const kind of ["dragleave", "drop"]) addEventListener(kind, (event) => { event.preventDefault(); if (kind === "drop" || event.relatedTarget === null) form.classList.remove("over"); });
  addEventListener("drop", (event) => { if (event.dataTransfer.files.length) take(event.dataTransfer.files); });
}
