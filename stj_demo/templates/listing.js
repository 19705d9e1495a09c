// Fetches the cards of a shell, and loads pictures when they are scrolled into view.
const slot = document.querySelector(".s-main-slot");

function show(image) {
  image.src = image.dataset.src;
  image.srcset = image.dataset.srcset;
  image.removeAttribute("data-src");
  image.removeAttribute("data-srcset");
}

function watchPictures() {
  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries.filter((entry) => entry.isIntersecting)) {
      show(entry.target);
      watcher.unobserve(entry.target);
    }
  });
  document.querySelectorAll("img.s-image-lazy").forEach((image) => watcher.observe(image));
}

async function fillSlot() {
  if (slot.dataset.cards) {
    const answer = await fetch(slot.dataset.cards);
    slot.insertAdjacentHTML("beforeend", await answer.text());
  }
  watchPictures();
}

fillSlot();
