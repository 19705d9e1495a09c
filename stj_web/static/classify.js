// Drop, paste, choose or photograph pictures; each is sent alone, a few at a time, and answered in its own card.
import { ask, toast, typing } from "./studio.js";

const AT_ONCE = 2;
const form = document.getElementById("drop");
if (form) begin();

function begin() {
  const answers = document.getElementById("answers");
  const names = JSON.parse(answers.dataset.names);
  const progress = document.getElementById("progress");
  const waiting = [];
  let working = 0, done = 0, all = 0;
  document.getElementById("drop-hint").textContent = "Drop pictures here, paste one, or choose";

  const take = (files) => {
    const pictures = [...files].filter((file) => !file.type || file.type.startsWith("image/"));
    if (pictures.length < files.length) toast("Only pictures are taken.", "bad");
    for (const file of pictures) { waiting.push({ file, card: place(file) }); all += 1; }
    next();
  };
  const next = () => {
    while (working < AT_ONCE && waiting.length) {
      working += 1;
      classify(waiting.shift()).finally(() => { working -= 1; done += 1; next(); });
    }
    progress.textContent = done < all ? `${done} of ${all} answered…` : all ? `${all} ${all === 1 ? "picture" : "pictures"} answered` : "";
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
    answers.prepend(card);
    return card;
  }

  async function send(file, explain) {
    const fields = new FormData();
    fields.append("files", file, file.name || "picture");
    const run = document.getElementById("run");
    if (run) fields.append("run", run.value);
    if (explain) fields.append("explain", "1");
    return ask("/api/v1/classify", { method: "POST", body: fields });
  }

  async function classify({ file, card }) {
    try {
      const { answers: [answer] } = await send(file, false);
      show(card, answer);
      if (answer.error === null) card.querySelector(".look").addEventListener("click", (event) => look(event.currentTarget, card, file));
    } catch (refusal) {
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
