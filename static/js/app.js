// Every page: menus close when left, Escape closes them, links that were made once are easy to copy.
"use strict";

document.documentElement.classList.add("js");

document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

document.addEventListener("keydown", (event) => {
  const menu = event.key === "Escape" && document.querySelector("details.menu[open]");
  if (menu) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

document.getElementById("link")?.addEventListener("focus", (event) => event.target.select());

// Copies the text of the element that data-copy names; where it is still empty, the button that fetches it comes first.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const words = document.getElementById(button.dataset.copy)?.textContent ?? "";
  if (!words) return document.querySelector(`[hx-target="#${button.dataset.copy}"]`)?.click();
  await navigator.clipboard.writeText(words);
  button.textContent = "Copied";
});
