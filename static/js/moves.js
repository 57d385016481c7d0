// What the clinician does: the focus goes where the work continues, and a range follows its unit.
"use strict";

const isNext = (element) => element?.id === "next";
let working = false; // whether the step that is being replaced held the focus

document.body.addEventListener("htmx:oobBeforeSwap", (event) => {
  const { target, shouldSwap } = event.detail;
  // Only set here: a second swap may come before the focus was given back after the first.
  if (isNext(target) && shouldSwap !== false && target.contains(document.activeElement)) working = true;
});

// After the swap htmx gives the focus back to whatever has the old id; this comes later and decides.
document.body.addEventListener("htmx:oobAfterSwap", () => working && setTimeout(carryOn, 0));

function carryOn() {
  const next = document.getElementById("next");
  const lost = document.activeElement === document.body || document.activeElement === next;
  if (!working || !next) return;
  working = false;
  if (!lost) return; // it is in a field already, or the person went elsewhere
  // While the agent works the whole step holds the focus: a second Enter must not press Stop.
  const wanted = ["#answer", "#order", "details[open] input:not([type=hidden])", ".button.primary"];
  const first = wanted.flatMap((names) => [...next.querySelectorAll(names)]).find((field) => field.checkVisibility());
  (document.getElementById("stop") ? next : (first ?? next)).focus({ preventScroll: true });
}

// A move that somebody opens takes the focus into its first empty field; Escape closes it and gives it back.
document.addEventListener(
  "toggle",
  (event) => {
    const move = event.target;
    if (!move.matches?.("#next details[name=move][open]") || document.activeElement !== move.querySelector("summary")) return;
    const empty = [...move.querySelectorAll("form input:not([type=hidden]), form select, form textarea, form button")];
    (empty.find((field) => !field.value || field.tagName === "BUTTON") ?? empty[0])?.focus();
  },
  true,
);

document.addEventListener("keydown", (event) => {
  const move = event.key === "Escape" && event.target.closest?.("#next details[name=move][open]");
  if (!move) return;
  move.open = false;
  move.querySelector("summary").focus();
});

// A range that was prefilled stands for its unit: with another one it is left to the catalogue.
document.addEventListener("change", (event) => {
  if (event.target.name !== "row-unit" || event.target.value === event.target.defaultValue) return;
  for (const name of ["row-low", "row-high"]) {
    const field = event.target.closest("tr").querySelector(`[name=${name}]`);
    if (field.value === field.defaultValue) field.value = "";
  }
});

const MOVES = { n: "decline", u: "undo", c: "close" };

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, textarea, select, dialog");
  const move = document.getElementById(MOVES[event.key]);
  if (!move || typing || event.ctrlKey || event.metaKey || event.altKey || document.getElementById("room")?.dataset.keys !== "1") return;
  event.preventDefault();
  move.querySelector("summary").focus();
  move.open = true;
});
