// The annotation sheet: keys, evidence from the words themselves, drafts as typed, and the next one at once.
"use strict";

const main = document.getElementById("main");
const live = document.getElementById("live");
const help = document.getElementById("help");
const WAIT = 700; // ms after the last change before a draft is sent
const RETRY = 2500;
const AGAIN = 4 * 60_000; // what was fetched ahead is asked for again before its reservation ends
const ACTIVE = 60_000; // reading without a key or a move of the mouse for longer is not counted
const SETTLE = 400; // a sheet that has only just come is not submitted by a key that was meant for the one before
let sheet = null; // the form in front, with its state

// --- one sheet ---------------------------------------------------------------------------------------------------------

function begin(form) {
  clearTimeout(sheet?.timer);
  clearInterval(sheet?.asking);
  sheet = { form, number: Number(form.dataset.number), changed: 0, saved: 0, saving: null, timer: 0, ahead: null, busy: false, place: null, words: new Map() };
  sheet.seconds = Number(form.elements.seconds?.value ?? 0);
  places().forEach(showPlace);
  form.querySelectorAll(".slot .verdicts input, .harm input").forEach((input) => (input.tabIndex = -1));
  places().forEach((place) => (firstRadio(place).tabIndex = 0));
  const harm = form.querySelector(".harm input:checked, .harm input");
  if (harm) harm.tabIndex = 0;
  progress();
  markWrong();
  form.querySelectorAll("button[data-chip], [data-drop]").forEach((button) => (button.tabIndex = -1));
  if (form.dataset.closed !== undefined) return;
  toPlace(places().find((place) => !verdict(place)) ?? places()[0], { quiet: true });
  setTimeout(fetchAhead, 150);
  sheet.asking = setInterval(() => document.visibilityState === "visible" && fetchAhead(), AGAIN);
}

const places = () => [...sheet.form.querySelectorAll(".slot")];
const verdict = (place) => place.querySelector(".verdicts input:checked")?.value ?? "";
const firstRadio = (place) => place.querySelector(".verdicts input:checked") ?? place.querySelector(".verdicts input");
const field = (place, kind) => place.querySelector(`[name="${CSS.escape(`${kind}@${place.dataset.place}`)}"]`);
const compares = () => sheet.form.classList.contains("pair");
const turns = () => [...sheet.form.querySelectorAll(".turn")];

function lacksWords(place) {
  const said = verdict(place);
  if (place.dataset.evidence === undefined || !["met", "not_met"].includes(said) || field(place, "e").value.trim()) return false;
  return said === "met" || !field(place, "r").value.trim();
}

function showPlace(place) {
  const words = field(place, "e")?.value.trim() ?? "";
  const chip = place.querySelector("[data-chip]");
  if (chip) {
    chip.hidden = !words;
    place.querySelector("[data-drop]").hidden = !words;
    chip.querySelector("q").textContent = words;
    chip.querySelector(".where").textContent = words ? `turn ${field(place, "t").value}` : "";
    place.querySelector("[data-pick]").hidden = Boolean(words);
  }
  place.classList.toggle("has-why", Boolean((field(place, "r") ?? field(place, "w"))?.value));
  place.classList.toggle("lacks", Boolean(verdict(place)) && lacksWords(place));
}

function progress() {
  const all = places();
  const done = all.filter((place) => verdict(place)).length;
  sheet.form.querySelector("#progress").textContent = `${done} of ${all.length}`;
  sheet.form.style.setProperty("--done", all.length ? done / all.length : 1);
  const lacking = all.filter(lacksWords).length;
  const left = all.length - done;
  const todo = sheet.form.querySelector("#todo");
  if (todo) todo.textContent = left ? `${left} without a verdict` : lacking ? `${lacking} without evidence` : "All judged";
  sheet.form.classList.toggle("ready", !left && !lacking);
}

// --- places: where a verdict goes ------------------------------------------------------------------------------------------

function toPlace(place, { quiet = false } = {}) {
  if (!place) return;
  current(place);
  firstRadio(place).focus({ preventScroll: true });
  place.closest(".asked").scrollIntoView({ block: "nearest" });
  if (quiet) document.getElementById("criteria")?.scrollTo?.({ top: 0 });
}

function current(place) {
  if (sheet.place === place) return;
  sheet.place?.classList.remove("current");
  sheet.place?.closest(".asked")?.classList.remove("current");
  sheet.place = place;
  place.classList.add("current");
  place.closest(".asked").classList.add("current");
  const turn = place.dataset.turn && turnElement(place.dataset.turn);
  turns().forEach((one) => one.classList.toggle("asked-about", one === turn));
  turn?.scrollIntoView({ block: "nearest" });
  showQuotes();
}

function step(by) {
  const all = places();
  toPlace(all[Math.min(Math.max(all.indexOf(sheet.place) + by, 0), all.length - 1)]);
}

function nextOpen() {
  const all = places();
  const here = all.indexOf(sheet.place);
  return [...all.slice(here + 1), ...all.slice(0, here + 1)].find((place) => !verdict(place) || lacksWords(place));
}

const VALUES = { 1: ["met", "a"], 2: ["not_met", "b"], 3: ["cannot_tell", "same"], 0: ["not_applicable", "same"] };

function judge(key) {
  const place = sheet.place;
  const value = VALUES[key][compares() ? 1 : 0];
  const input = place?.querySelector(`.verdicts input[value="${value}"]`);
  if (!input || input.disabled) return;
  input.checked = true;
  changed(place);
  say(`${input.parentElement.textContent.replace(key, "").trim()}`);
  if (lacksWords(place)) return say("This verdict needs evidence: press e and select the words.");
  const next = nextOpen();
  if (next) return toPlace(next);
  sheet.form.querySelector("[data-submit]").focus({ preventScroll: true });
  say("All judged. Enter submits.");
}

function sayWhy(place) {
  place.classList.add("says-why");
  (field(place, "r") ?? field(place, "w")).focus();
}

function changed(place) {
  if (place) showPlace(place);
  progress();
  touch();
}

// --- words: what is selected is always whole words of one turn ---------------------------------------------------------------

const turnElement = (number) => sheet.form.querySelector(`.turn[data-turn="${CSS.escape(String(number))}"]`);

function wordsOf(turn) {
  if (sheet.words.has(turn)) return sheet.words.get(turn);
  const found = [];
  turn.querySelectorAll("[data-text]").forEach((part) => {
    const walker = document.createTreeWalker(part, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      for (const match of walker.currentNode.data.matchAll(/\S+/g)) {
        found.push({ node: walker.currentNode, start: match.index, end: match.index + match[0].length, text: match[0], part });
      }
    }
  });
  sheet.words.set(turn, found);
  return found;
}

function rangeOf(words, from, to) {
  const range = new Range();
  range.setStart(words[from].node, words[from].start);
  range.setEnd(words[to].node, words[to].end);
  return range;
}

function pick(turn, anchor, head) {
  const words = wordsOf(turn);
  if (!words.length) return;
  sheet.picked = { turn, anchor, head };
  const [from, to] = [Math.min(anchor, head), Math.max(anchor, head)];
  const range = rangeOf(words, from, to);
  getSelection().removeAllRanges();
  getSelection().addRange(range);
  sheet.picked.text = words.slice(from, to + 1).map((word) => word.text).join(" ");
  const box = range.getBoundingClientRect();
  const pane = turn.closest(".said-pane").getBoundingClientRect();
  if (box.bottom > Math.min(pane.bottom, innerHeight) - 70 || box.top < Math.max(pane.top, 0) + 10) words[head].node.parentElement.scrollIntoView({ block: "center" });
  showPicked();
}

function unpick() {
  sheet.picked = null;
  getSelection().removeAllRanges();
  showPicked();
}

function showPicked() {
  const bar = document.getElementById("picked");
  if (!bar) return;
  bar.hidden = !sheet.picked;
  if (!sheet.picked) return;
  bar.querySelector("q").textContent = sheet.picked.text;
  bar.querySelector(".where").textContent = `turn ${sheet.picked.turn.dataset.turn}`;
  bar.querySelector("[data-wrong]").hidden = sheet.picked.turn.dataset.judged === undefined;
}

// By mouse: whatever was touched counts as whole words, and only those of the turn in which it began.
document.addEventListener("mouseup", (event) => {
  if (!sheet || compares() || event.target.closest("#picked, .sheet-bar")) return;
  const selection = getSelection();
  if (selection.isCollapsed || !selection.rangeCount) return;
  const range = selection.getRangeAt(0);
  const start = selection.anchorNode.parentElement?.closest(".turn") ?? range.startContainer.parentElement?.closest(".turn");
  if (!start || !sheet.form.contains(start)) return;
  const touched = (word) => range.comparePoint(word.node, word.end - 1) !== -1 && range.comparePoint(word.node, word.start + 1) !== 1;
  const inside = wordsOf(start).flatMap((word, n) => (touched(word) ? [n] : []));
  if (inside.length) pick(start, inside[0], inside.at(-1));
});

document.addEventListener("mousedown", (event) => {
  if (sheet?.picked && !event.target.closest("#picked")) unpick();
});

// By keys: one word is chosen, the arrows move it, with Shift they reach further.
function moveWord(turn, key, reach) {
  const words = wordsOf(turn);
  if (!words.length) return;
  const here = sheet.picked?.turn === turn ? sheet.picked : null;
  if (!here) return pickFirst(turn);
  const last = words.length - 1;
  const sentence = (n) => /[.!?:;]$/.test(words[n].text) || n === last || words[n + 1].part !== words[n].part;
  let head = here.head;
  if (key === "ArrowRight") head = Math.min(head + 1, last);
  if (key === "ArrowLeft") head = Math.max(head - 1, 0);
  if (key === "Home") head = 0;
  if (key === "End") head = last;
  if (key === "ArrowDown" && reach) while (head < last && !sentence(++head));
  if (key === "ArrowDown" && !reach) {
    while (head < last && !sentence(head)) head++;
    head = Math.min(head + 1, last);
  }
  if (key === "ArrowUp") {
    head = Math.max(head - 1, 0);
    while (head > 0 && !sentence(head - 1)) head--;
  }
  pick(turn, reach ? here.anchor : head, head);
}

function take() {
  const place = sheet.place;
  if (!sheet.picked || !place || compares()) return;
  field(place, "e").value = sheet.picked.text;
  field(place, "t").value = sheet.picked.turn.dataset.turn;
  say(`Evidence taken: ${sheet.picked.text}`);
  unpick();
  changed(place);
  showQuotes();
  const next = verdict(place) ? nextOpen() : place;
  if (next) toPlace(next);
  else sheet.form.querySelector("[data-submit]").focus({ preventScroll: true });
}

function drop(place) {
  const words = place && field(place, "e");
  if (!words?.value) return;
  words.value = field(place, "t").value = "";
  changed(place);
  showQuotes();
  toPlace(place);
}

function showQuotes() {
  if (!CSS.highlights) return;
  const ranges = { quote: [], evidence: [] };
  for (const place of places()) {
    const said = field(place, "e")?.value.trim().split(/\s+/) ?? [];
    const turn = said[0] && turnElement(field(place, "t").value);
    if (!turn) continue;
    const words = wordsOf(turn);
    const at = words.findIndex((_, n) => said.every((word, k) => words[n + k]?.text === word));
    if (at >= 0) ranges[place === sheet.place ? "quote" : "evidence"].push(rangeOf(words, at, at + said.length - 1));
  }
  for (const [name, found] of Object.entries(ranges)) CSS.highlights.set(name, new Highlight(...found));
}

function toTranscript() {
  const all = turns();
  const wanted = sheet.place?.dataset.turn || field(sheet.place, "t")?.value;
  const turn = (wanted && turnElement(wanted)) || sheet.lastTurn || all[0];
  toTurn(all.includes(turn) ? turn : all[0]);
}

function toTurn(turn) {
  if (!turn) return;
  sheet.lastTurn = turn;
  turn.focus({ preventScroll: true });
  turn.scrollIntoView({ block: "nearest" });
  if (!compares()) pickFirst(turn);
}

// What stands largest in a turn is what is quoted most: the question, the examination, the diagnosis.
function pickFirst(turn) {
  const words = wordsOf(turn);
  const end = words.findIndex((word) => word.part !== words[0].part);
  pick(turn, 0, (end === -1 ? words.length : end) - 1);
}

function stepTurn(by) {
  const all = turns();
  const here = all.indexOf(document.activeElement.closest?.(".turn"));
  const from = here === -1 ? (sheet.lastTurn ? all.indexOf(sheet.lastTurn) - by : by > 0 ? -1 : all.length) : here;
  toTurn(all[Math.min(Math.max(from + by, 0), all.length - 1)]);
}

function wrong() {
  const choice = sheet.form.elements.first_wrong_turn;
  if (!choice) return;
  const turn = document.activeElement.closest(".turn") ?? sheet.picked?.turn;
  if (!turn) return choice.focus();
  if (turn.dataset.judged === undefined) return say("The first wrong turn is one of the agent’s.");
  choice.value = choice.value === turn.dataset.turn ? "" : turn.dataset.turn;
  say(choice.value ? `Turn ${choice.value} is the first wrong one.` : "No first wrong turn.");
  markWrong();
  changed();
}

function markWrong() {
  const chosen = sheet.form.elements.first_wrong_turn?.value ?? "";
  for (const turn of turns()) {
    turn.classList.toggle("is-wrong", turn.dataset.turn === chosen);
    const mark = turn.querySelector(".wrong");
    if (mark) mark.hidden = turn.dataset.turn !== chosen;
  }
}

// --- drafts ----------------------------------------------------------------------------------------------------------------

function touch() {
  sheet.changed += 1;
  state("…");
  clearTimeout(sheet.timer);
  sheet.timer = setTimeout(save, WAIT);
}

const dirty = () => Boolean(sheet) && sheet.changed > sheet.saved;

function body(form) {
  const data = new FormData(form);
  for (const [name, value] of [...data]) if (value === "" || name === "csrfmiddlewaretoken") data.delete(name);
  return data;
}

// The cookie is read anew each time: signing in again in another tab changed it.
function token() {
  return decodeURIComponent(/(?:^|; )csrftoken=([^;]*)/.exec(document.cookie)?.[1] ?? sheet.form.elements.csrfmiddlewaretoken.value);
}

async function post(address, data, accept = "application/json", more = {}) {
  const headers = { "X-CSRFToken": token(), Accept: accept };
  const answer = await fetch(address, { method: "POST", body: data, headers, redirect: "manual", credentials: "same-origin", ...more });
  // Whoever is signed out is sent to the door: a redirect, or the refusal of a token that ended with the session.
  const out = answer.type === "opaqueredirect" || answer.status === 401 || (answer.status === 403 && !isJson(answer));
  signedOut(out);
  return out ? null : answer;
}

const isJson = (answer) => (answer.headers.get("Content-Type") ?? "").startsWith("application/json");

async function save() {
  const mine = sheet;
  if (mine.saving || mine.busy || mine.elsewhere || !dirty()) return;
  const upTo = mine.changed;
  const data = body(mine.form);
  data.set("number", String(++mine.number)); // used up even if the answer is lost: the next try is newer
  mine.saving = send(mine, data, upTo);
  await mine.saving;
  mine.saving = null;
  if (mine === sheet && dirty() && !mine.busy) {
    clearTimeout(mine.timer);
    mine.timer = setTimeout(save, mine.failed ? RETRY : WAIT);
  }
}

async function send(mine, data, upTo) {
  try {
    const answer = await post(mine.form.dataset.draft, data);
    mine.failed = !answer?.ok;
    if (!answer) return state("Not saved: signed out", "danger", mine);
    if (!answer.ok) return state(answer.status === 404 ? "Not saved: this sheet belongs to somebody else" : "Not saved yet; trying again", "danger", mine);
    const told = await answer.json();
    mine.number = Math.max(mine.number, told.number);
    if (!told.saved) {
      mine.elsewhere = true; // nothing more is saved from here: it would replace what is newer
      refuse("A newer draft of this sheet was saved in another window. Reload to go on with that one; submitting sends what stands here.");
      return state("Not saved: newer in another window", "danger", mine);
    }
    mine.saved = upTo;
    state(`Saved ${told.at}`, "", mine);
    if (told.sentence) refuse(told.sentence);
  } catch {
    mine.failed = true;
    state("Offline: kept on this page", "danger", mine);
  }
}

function state(words, tone = "", mine = sheet) {
  const chip = mine.form.querySelector("#state");
  chip.textContent = words;
  chip.dataset.tone = tone;
}

function signedOut(out) {
  const strip = document.getElementById("signed-out");
  if (strip.hidden === !out) return;
  strip.hidden = !out;
  strip.querySelector("span").textContent = out ? "You are signed out. Everything stays on this page." : "";
  if (!out) say("You are signed in again.");
}

const wake = () => document.visibilityState === "visible" && sheet && dirty() && save();
document.addEventListener("visibilitychange", wake);
addEventListener("focus", wake);
addEventListener("online", wake);
addEventListener("beforeunload", (event) => {
  if (dirty() && !sheet.busy) event.preventDefault();
});

setInterval(() => {
  if (!sheet || document.visibilityState !== "visible" || performance.now() - moved > ACTIVE) return;
  sheet.seconds += 1;
  sheet.form.elements.seconds.value = String(sheet.seconds);
}, 1000);
let moved = performance.now();
for (const kind of ["keydown", "pointermove", "wheel"]) addEventListener(kind, () => (moved = performance.now()), { passive: true });

// --- the next one ----------------------------------------------------------------------------------------------------------

async function fetchAhead() {
  const mine = sheet;
  const data = new FormData();
  if (mine.ahead) data.set("have", mine.ahead.dataset.id);
  mine.fetching = (async () => {
    try {
      const answer = await post(mine.form.dataset.ahead, data, "text/html");
      if (!answer?.ok) return;
      if (answer.status === 204) {
        if (answer.headers.get("X-Ahead") === "none") mine.ahead = null;
        mine.form.dataset.ready = mine.ahead ? "next" : "last";
        return;
      }
      mine.ahead = parsed(await answer.text());
      mine.form.dataset.ready = "next";
    } catch {
      // Without the network the next one is fetched when this one is submitted.
    }
  })();
  await mine.fetching;
}

function parsed(html) {
  const holder = document.createElement("template");
  holder.innerHTML = html; // escaped by the server; the page's policy runs no inline script
  return document.importNode(holder.content.querySelector("#sheet"), true);
}

async function submit() {
  const mine = sheet;
  if (mine.busy || mine.settling || mine.form.dataset.closed !== undefined) return;
  const asked = performance.now();
  const missing = places().find((place) => !verdict(place)) ?? places().find(lacksWords);
  if (missing) {
    places().forEach((place) => place.classList.toggle("missing", !verdict(place) || lacksWords(place)));
    toPlace(missing);
    return refuse(verdict(missing) ? "This verdict needs evidence: press e and select the words, or r to say why nothing was said. Everything is kept." : "Not judged yet. Everything is kept; give it a verdict, then submit again.");
  }
  mine.busy = true;
  mine.form.setAttribute("aria-busy", "true");
  clearTimeout(mine.timer);
  try {
    // A draft that arrived after a refusal would look overtaken by what the refusal kept.
    await mine.saving;
    const sent = mine.changed;
    const answer = await post(mine.form.action, body(mine.form));
    if (!answer) return state("Not submitted: signed out. Everything is kept", "danger", mine);
    if (answer.ok) return await onward(mine, asked, await answer.json());
    if (!isJson(answer)) return state("Not submitted yet. Everything is kept; try again", "danger", mine);
    const told = await answer.json();
    mine.number = Math.max(mine.number, told.number ?? 0);
    mine.saved = sent;
    state("Draft kept", "", mine);
    refuse(told.sentence);
  } catch {
    state("Offline: not submitted. Everything is kept", "danger", mine);
  } finally {
    mine.busy = false;
    mine.form.removeAttribute("aria-busy");
    // Not sent for want of a session or a network: it is kept as a draft as soon as that is back.
    if (mine === sheet && dirty()) mine.timer = setTimeout(save, RETRY);
  }
}

async function onward(mine, asked, told) {
  mine.saved = mine.changed;
  await mine.fetching;
  if (!mine.ahead) return location.assign(told.next);
  const next = mine.ahead;
  const judged = next.querySelector("[data-judged]"); // was counted before this one was submitted
  judged.dataset.judged = String(Number(mine.form.querySelector("[data-judged]").dataset.judged) + 1);
  judged.textContent = `${judged.dataset.judged} judged`;
  refuse("");
  mine.form.replaceWith(next);
  history.pushState({}, "", next.action);
  document.title = `${next.classList.contains("pair") ? "Compare" : "Annotate"}: ${next.dataset.title} · Rounds`;
  scrollTo(0, 0);
  begin(next);
  settle(sheet);
  performance.measure("save-to-next", { start: asked });
  say(`Submitted. Next: ${next.dataset.title}`);
  opened(next);
}

function settle(mine) {
  const button = mine.form.querySelector("[data-submit]");
  mine.settling = true;
  button.setAttribute("aria-disabled", "true");
  setTimeout(() => {
    mine.settling = false;
    button.removeAttribute("aria-disabled");
  }, SETTLE);
}

// What was fetched ahead is reserved for as long as any other from now on; if it was lost meanwhile, another one comes.
async function opened(form) {
  const answer = await post(form.dataset.open, new FormData()).catch(() => null);
  if (answer && answer.status === 409 && sheet.form === form) location.assign(form.dataset.next);
}

addEventListener("popstate", () => location.reload());

function refuse(sentence) {
  const box = sheet.form.querySelector("#refusal");
  box.textContent = sentence;
  box.hidden = !sentence;
}

function say(words) {
  live.textContent = words;
}

// --- events ----------------------------------------------------------------------------------------------------------------

const KEYS = {
  j: () => stepTurn(1),
  k: () => stepTurn(-1),
  e: toTranscript,
  n: () => toPlace(nextOpen() ?? sheet.place),
  x: () => drop(sheet.place),
  r: () => sayWhy(sheet.place),
  w: wrong,
  h: () => sheet.form.querySelector(".harm input:checked, .harm input")?.focus(),
  c: () => document.getElementById("correction-kind")?.focus(),
  t: () => {
    const text = document.getElementById("critique");
    text?.focus();
    text?.setSelectionRange(text.value.length, text.value.length);
  },
  g: () => document.getElementById("guideline")?.toggleAttribute("open"),
  "?": () => help.showModal(),
};
const READING = ["j", "k", "g", "?"];
const MOVES = ["ArrowRight", "ArrowLeft", "ArrowUp", "ArrowDown", "Home", "End"];

document.addEventListener("keydown", (event) => {
  if (!sheet || help.open) return;
  const { target, key } = event;
  const typing = target.closest("input:not([type=radio]), textarea, select");
  const modified = event.ctrlKey || event.metaKey || event.altKey;
  const done = () => event.preventDefault();
  if (key === "Enter" && event.repeat && (modified || !target.matches("textarea"))) return done();
  if (key === "Enter" && (event.ctrlKey || event.metaKey)) return done(), submit();
  if (modified || !(sheet.form.contains(target) || target === document.body || target === main)) return;
  if (key === "Enter") return enter(event, target);
  if (key === "Escape" && !event.defaultPrevented) return done(), sheet.picked && unpick(), toPlace(sheet.place);
  const turn = target.closest(".turn");
  if (turn && MOVES.includes(key) && !compares()) return done(), moveWord(turn, key, event.shiftKey);
  if (target.matches(".slot input[type=radio]") && ["ArrowUp", "ArrowDown"].includes(key)) return done(), step(key === "ArrowDown" ? 1 : -1);
  if (typing || main.dataset.keys !== "1" || (sheet.form.dataset.closed !== undefined && !READING.includes(key))) return;
  if (VALUES[key] && !target.closest(".harm")) return done(), judge(key);
  if (KEYS[key] && (!event.shiftKey || key === "?")) return done(), KEYS[key]();
});

function enter(event, target) {
  if (target.matches("textarea, summary, a")) return;
  if (target.matches("#decline-reason")) return event.preventDefault(), sheet.form.querySelector("[data-decline]").click();
  if (target.matches("button:not([data-submit])")) return;
  event.preventDefault();
  if (sheet.picked && !target.closest("#criteria")) return take();
  submit();
}

document.addEventListener("submit", (event) => {
  if (event.target !== sheet?.form || event.submitter?.matches("[data-decline]")) return;
  event.preventDefault();
  submit();
});

document.addEventListener("click", (event) => {
  const { target } = event;
  if (!sheet?.form.contains(target)) return;
  if (target.closest("[data-help]")) help.showModal();
  if (target.closest("[data-take]")) take();
  if (target.closest("[data-wrong]")) wrong();
  if (target.closest("[data-why]")) sayWhy(target.closest(".slot"));
  if (target.closest("[data-drop]")) drop(target.closest(".slot"));
  if (target.closest("[data-decline]") && !sheet.failed) sheet.saved = sheet.changed; // declining sends it along
  const chip = target.closest("[data-chip], .turn-link, [data-pick]");
  if (!chip) return;
  event.preventDefault();
  current(chip.closest(".slot"));
  chip.matches("[data-pick]") ? toTranscript() : turnElement(chip.closest(".slot").dataset.turn || field(chip.closest(".slot"), "t").value)?.scrollIntoView({ block: "center" });
});

document.addEventListener("focusin", (event) => {
  if (!sheet?.form.contains(event.target)) return;
  const place = event.target.closest(".slot");
  if (place) current(place);
  const turn = event.target.closest(".turn");
  if (turn) sheet.lastTurn = turn;
});

document.addEventListener("input", (event) => {
  if (!sheet?.form.contains(event.target) || event.target.name === "decline_reason") return;
  event.target.closest(".slot")?.classList.remove("missing");
  if (event.target.name === "first_wrong_turn") markWrong();
  changed(event.target.closest(".slot"));
});

begin(document.getElementById("sheet"));
