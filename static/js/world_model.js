// Draws of the world model are shown while they are written, as provisional; the checked draw replaces them.
"use strict";

async function write(form) {
  const shown = form.querySelector(".wm-pending");
  let current = -1;
  let words = "";
  const hear = (line) => {
    const piece = JSON.parse(line);
    if (piece.try !== current) words = ""; // what the monitor refused is written anew
    current = piece.try;
    words += piece.text;
    shown.textContent = words;
  };
  try {
    const response = await fetch(form.dataset.stream, { method: "POST", body: new FormData(form) });
    const reader = response.ok && response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let rest = "", part; reader && !(part = await reader.read()).done; ) {
      const lines = (rest + part.value).split("\n");
      rest = lines.pop();
      lines.forEach(hear);
    }
  } catch (error) {
    console.warn("the draw was not shown while it was written", error); // the draw itself says what is wrong
  }
  htmx.trigger(form, "written");
}

document.querySelectorAll("form[data-stream]").forEach(write);
