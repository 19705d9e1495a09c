// Before the first paint: the theme that was chosen here, or the system's.
try {
  const chosen = localStorage.getItem("theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch { /* storage is closed: the system decides */ }
document.documentElement.classList.add("script");
