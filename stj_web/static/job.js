// A job, live: its steps, what its commands say, and what came out.
import { ask, toast } from "./studio.js";

const box = document.getElementById("job");
const clocks = () => [...document.querySelectorAll(".time")];

function spell(seconds) {
  if (seconds < 60) return `${Math.round(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.round(seconds % 3600 / 60)} min`;
}
function tick() {
  for (const clock of clocks()) {
    if (!clock.dataset.began) continue;
    const end = clock.dataset.ended ? Date.parse(clock.dataset.ended) : Date.now();
    clock.textContent = spell(Math.max(0, (end - Date.parse(clock.dataset.began)) / 1000));
  }
}

function show(job) {
  const state = document.getElementById("state"), sentence = document.getElementById("sentence");
  if (state.textContent !== job.state) { state.textContent = job.state; state.className = `state ${job.state}`; }
  if (sentence.textContent !== job.sentence) sentence.textContent = job.sentence;
  sentence.hidden = !job.sentence;
  for (const step of job.steps) {
    const line = document.querySelector(`[data-step="${step.name}"]`);
    line.className = `card ${step.state}`;
    line.querySelector(".dot").className = `dot ${step.state}`;
    line.querySelector(".word").textContent = step.state;
    const said = line.querySelector(".said");
    if (said.textContent !== step.sentence) said.textContent = step.sentence;
    Object.assign(line.querySelector(".time").dataset, { began: step.began_at ?? "", ended: step.ended_at ?? "" });
  }
  const log = document.getElementById("log"), below = log.scrollHeight - log.scrollTop - log.clientHeight < 30;
  log.firstElementChild.textContent = job.log.join("\n");
  if (below) log.scrollTop = log.scrollHeight;
  const links = document.getElementById("links");
  if (links.children.length !== job.links.length) {
    links.replaceChildren(...job.links.map(({ title, href }, at) => Object.assign(document.createElement("a"), { className: at ? "button" : "button primary", href, textContent: title })));
  }
  const cancel = document.getElementById("cancel"), again = document.getElementById("again");
  if (cancel) {
    cancel.hidden = job.over;
    again.hidden = !job.over;
    if (job.cancel) Object.assign(cancel.querySelector("button"), { disabled: true, textContent: "Stopping …" });
  }
  tick();
}

async function watch() {
  let lost = 0;
  for (;;) {
    try {
      const job = await ask(box.dataset.at);
      lost = 0;
      show(job);
      if (job.over) return;
    } catch (refusal) {
      lost += 1;
      if (lost === 3) toast(refusal.message, "bad");
    }
    await new Promise((wake) => setTimeout(wake, Math.min(10_000, 1_000 * (lost + 1))));
  }
}
tick();
document.getElementById("log").scrollTop = 1e9;
if (!box.dataset.over) { watch(); setInterval(tick, 1000); }
