// Choose many pictures with mouse and keys; the form itself sends the decision, so that it works without this file, too.
import { plainKey, typing } from "./studio.js";

const form = document.getElementById("selection");
let refresh = () => {};
/** Take note of tiles that came after the page, or that were ticked by a script. */
export const adopt = () => refresh();
const undo = document.querySelector("[data-undo]");
addEventListener("keydown", (event) => {
  if (event.key === "u" && undo && plainKey(event) && !typing(event) && !event.defaultPrevented) undo.click();
});
if (form) begin();

function begin() {
  let boxes = [];
  const names = JSON.parse(form.dataset.names);
  const chosen = () => boxes.filter((box) => box.checked);
  let last = null;

  function show() {
    const n = chosen().length;
    document.getElementById("chosen").textContent = n ? `${n} ${n === 1 ? "picture" : "pictures"} chosen` : "";
    document.getElementById("acts").classList.toggle("on", n > 0);
    document.getElementById("nothing").disabled = n === 0;
    for (const box of boxes) box.closest("figure").classList.toggle("picked", box.checked);
    for (const id of ["all", "nothing"]) document.getElementById(id).hidden = boxes.length === 0;
    form.dispatchEvent(new Event("chosen"));
  }
  refresh = () => { boxes = [...form.querySelectorAll("[data-pick]")]; last = null; show(); };

  function set(some, checked) {
    for (const box of some) box.checked = checked;
    show();
  }

  document.getElementById("all").addEventListener("click", () => set(boxes, true));
  document.getElementById("nothing").addEventListener("click", () => set(boxes, false));
  form.addEventListener("click", (event) => {
    const box = event.target.closest("[data-pick]");
    if (!box) {
      // A picture itself is chosen with Shift: the range from the last one, as in a file manager.
      const figure = event.shiftKey && event.target.closest("figure");
      const inside = figure && figure.querySelector("[data-pick]");
      if (!inside) return;
      event.preventDefault();
      range(inside, true);
      return;
    }
    if (event.shiftKey) range(box, box.checked);
    last = box;
    show();
  });
  function range(box, checked) {
    const from = boxes.indexOf(last ?? box), to = boxes.indexOf(box);
    set(boxes.slice(Math.min(from, to), Math.max(from, to) + 1), checked);
    last = box;
  }

  const byHand = form.querySelector(".by-hand"), tag = document.getElementById("tag");
  tag?.addEventListener("keydown", (event) => {
    if (event.key === "Enter") { event.preventDefault(); act("tag"); }
    else if (event.key === "Escape") { event.stopPropagation(); byHand.open = false; form.querySelector("[data-pick]:checked")?.focus(); }
  });

  const act = (value) => form.querySelector(`button[name=decision][value="${value}"]`)?.click();
  addEventListener("keydown", (event) => {
    if (!plainKey(event) || typing(event) || event.defaultPrevented) return;
    const here = document.activeElement.closest?.("figure")?.querySelector("[data-pick]");
    if (event.key === "s" && here) { here.checked = !here.checked; last = here; show(); }
    else if (event.key === "a") set(boxes, true);
    else if (event.key === "Escape") set(boxes, false);
    else if (!chosen().length) return;
    else if (/^[0-9]$/.test(event.key) && names[event.key] !== undefined) act(`label ${event.key}`);
    else if (event.key === "t") { byHand.open = true; tag.focus(); }
    else if (event.key === "k") act("keep");
    else if (event.key === "x") act("reject");
    else if (event.key === "o") act("none");
    else return;
    event.preventDefault();
  });
  form.addEventListener("submit", (event) => {
    if (!chosen().length) event.preventDefault();
  });
  // The browser may bring ticks back with the page.
  addEventListener("pageshow", show);
  refresh();
}
