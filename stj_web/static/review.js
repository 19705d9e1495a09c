// Decide with the keyboard; every decision is sent at once, in order, and says what the reviewer had seen.
import { ask, neighbour, plainKey, toast, typing } from "./studio.js";

const deck = document.getElementById("deck");
if (deck) begin();

function begin() {
  const names = JSON.parse(deck.dataset.names);
  const cards = [...deck.children];
  const one = deck.dataset.view === "one";
  const made = [];
  let now = cards[0];
  let sending = Promise.resolve();
  let left = Number(document.getElementById("left").textContent.replace(/\D/g, ""));

  const open = () => cards.filter((card) => !card.dataset.done);

  function go(card, focus = true) {
    if (!card) return;
    now.classList.remove("current");
    now.tabIndex = -1;
    now = card;
    now.classList.add("current");
    now.tabIndex = 0;
    if (focus) now.focus({ preventScroll: true });
    if (!one && focus) now.scrollIntoView({ block: "nearest" });
    // The next two are fetched before they are asked for.
    for (const later of cards.slice(cards.indexOf(now) + 1, cards.indexOf(now) + 3)) later.querySelector("img")?.setAttribute("loading", "eager");
  }

  function count() {
    const done = cards.length - open().length;
    document.getElementById("done").textContent = done;
    document.getElementById("bar").value = done;
    document.getElementById("left").textContent = Math.max(0, left - done).toLocaleString("en");
    document.getElementById("undo").disabled = made.length === 0;
    document.getElementById("end").hidden = open().length > 0;
  }

  function mark(card, words, kind) {
    card.dataset.done = kind;
    card.querySelector(".verdict").textContent = words;
  }

  function clear(card) {
    delete card.dataset.done;
    card.querySelector(".verdict").textContent = "";
  }

  function decide(card, action, label = null) {
    if (!deck.dataset.write) return toast("This studio is read-only for you.", "bad");
    if (card.dataset.done === "sending") return;
    const words = action === "label" ? names[label] : { keep: "kept as it is", reject: "rejected", none: "none of these" }[action] ?? action;
    mark(card, words, "sending");
    const after = cards.slice(cards.indexOf(card) + 1).find((later) => !later.dataset.done) ?? open()[0];
    count();
    if (after) go(after);
    sending = sending.then(async () => {
      try {
        const body = { image_id: Number(card.dataset.id), seen: Number(card.dataset.seen), action, ...(label === null ? {} : { label }) };
        const { review, image } = await ask("/api/v1/reviews", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
        card.dataset.before = card.dataset.seen;
        card.dataset.seen = review.id;
        mark(card, `${words} · ${image.status}`, action);
        made.push({ card, review: review.id });
      } catch (refusal) {
        clear(card);
        if (refusal.kind === "overtaken") {
          card.dataset.seen = refusal.decision.id;
          card.querySelector(".verdict").textContent = refusal.message;
        }
        toast(refusal.message, "bad");
        go(card);
      }
      count();
    });
  }

  function undo() {
    sending = sending.then(async () => {
      const last = made.pop();
      if (!last) return toast("Nothing of this page is left to undo.");
      try {
        await ask(`/api/v1/reviews/${last.review}`, { method: "DELETE" });
        last.card.dataset.seen = last.card.dataset.before ?? 0;
        clear(last.card);
        go(last.card);
        toast("Taken back.");
      } catch (refusal) {
        toast(refusal.message, "bad");
      }
      count();
    });
  }

  deck.addEventListener("submit", (event) => {
    event.preventDefault();
    const [action, label] = event.submitter.value.split(" ");
    decide(event.target.closest(".pick"), action, label === undefined ? null : Number(label));
  });
  deck.addEventListener("focusin", (event) => { const card = event.target.closest(".pick"); if (card && card !== now) go(card, false); });
  deck.addEventListener("click", (event) => { const card = event.target.closest(".pick"); if (card && !event.target.closest("a, button")) go(card); });
  document.getElementById("undo").addEventListener("click", undo);
  addEventListener("keydown", (event) => {
    if (!plainKey(event) || typing(event) || event.defaultPrevented) return;
    if (/^[0-9]$/.test(event.key) && names[event.key] !== undefined) decide(now, "label", Number(event.key));
    else if (event.key === "x") decide(now, "reject");
    else if (event.key === "k") decide(now, "keep");
    else if (event.key === "o" && now.querySelector('[value="none"]')) decide(now, "none");
    else if (event.key === "u") undo();
    else if (event.key === "v") document.getElementById("view").click();
    else if (event.key.startsWith("Arrow")) {
      const key = one && event.key === "ArrowDown" ? "ArrowRight" : one && event.key === "ArrowUp" ? "ArrowLeft" : event.key;
      go(neighbour(cards, now, key));
    } else return;
    event.preventDefault();
  });
  // A decision that is on its way is not left behind.
  addEventListener("beforeunload", (event) => { if (cards.some((card) => card.dataset.done === "sending")) event.preventDefault(); });
  go(now, false);
  count();
}
