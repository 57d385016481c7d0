// The consultation's socket. Every event is applied once: token text by its place in its field, the rest by seq.
"use strict";

const room = document.getElementById("room");
const timeline = document.getElementById("timeline");
const byId = (id) => document.getElementById(id);
const whole = room.dataset.whole === "1";

// --- turns -------------------------------------------------------------------------------------------------------

const writing = new Map(); // turn number -> {attempt, fields: {name: [code points]}, spoken}
// The last event that was no token. Only such a one is certainly stored: live text carries the number of the batch
// in which it will be, which a successor gives to another event if the producer dies first.
let applied = Number(room.dataset.since);

function turnElement(number) {
  return byId(`turn-${number}`);
}

function openTurn(number, attempt) {
  if (turnElement(number)) return;
  const article = document.createElement("article");
  article.id = `turn-${number}`;
  article.className = "turn agent streaming arrived";
  article.dataset.turn = number;
  article.dataset.attempt = attempt;
  article.tabIndex = -1;
  article.setAttribute("aria-busy", "true");
  article.setAttribute("aria-label", `Turn ${number}, Agent`);
  article.append(part("span", "gutter", String(number)));
  const byline = part("div", "byline");
  byline.append(part("b", "", "Agent"), part("span", "badge", "Working", "action"), part("span", "provisional", "", "note"));
  article.append(byline, part("h3", "target", "", "target"), part("p", "reason", "", "reason"), part("p", "top", "", "differential"));
  keepingPlace(() => timeline.append(article));
}

function part(tag, name, text = "", field = "") {
  const element = document.createElement(tag);
  if (name) element.className = name;
  if (field) element.dataset.field = field;
  element.textContent = text;
  return element;
}

// Wide, the middle column scrolls; narrow, the page does.
const scroller = () => (matchMedia("(min-width: 1081px)").matches ? byId("talk") : document.documentElement);

let pinned = true; // whoever reads further up is left there

function toEnd() {
  scroller().scrollTop = scroller().scrollHeight;
}

function keepingPlace(change) {
  change();
  if (pinned) toEnd();
}

function noticePlace() {
  const { scrollTop, clientHeight, scrollHeight } = scroller();
  pinned = scrollTop + clientHeight > scrollHeight - 60;
}
addEventListener("scroll", noticePlace, { passive: true });
byId("talk").addEventListener("scroll", noticePlace, { passive: true });
document.body.addEventListener("htmx:oobAfterSwap", () => pinned && toEnd());

function isOver(number) {
  const element = turnElement(number);
  return element !== null && !element.classList.contains("streaming");
}

// --- events ------------------------------------------------------------------------------------------------------

function apply(event) {
  if (event.type === "token") {
    if (!isOver(event.turn)) token(event);
  } else if (event.seq > applied) {
    applied = event.seq;
    ({ state, turn, done: ended, error: failed })[event.type]?.(event);
  }
}

function attemptOf(event) {
  let found = writing.get(event.turn);
  if (!found || event.attempt > found.attempt) {
    found = { attempt: event.attempt, fields: {}, spoken: 0 };
    writing.set(event.turn, found);
    openTurn(event.turn, event.attempt);
    for (const name of ["action", "target", "reason", "differential"]) show(event.turn, name, name === "action" ? "Working" : "");
  }
  return found;
}

function token(event) {
  const current = attemptOf(event);
  if (event.attempt < current.attempt) return; // a producer that lost its lease
  const { field, text, at } = event.data;
  const known = (current.fields[field] ??= []);
  const added = Array.from(text); // offsets count code points, as the server does
  if (at > known.length) return socket.close(); // text is missing before this piece: ask again
  if (at + added.length <= known.length) return; // seen before
  known.splice(at, known.length, ...added);
  if (whole) return;
  const words = known.join("");
  keepingPlace(() => show(event.turn, field, words));
  if (field === "reason") announce(current, words);
}

function show(number, field, words) {
  const target = turnElement(number)?.querySelector(`[data-field="${field}"]`);
  if (target) target.textContent = field === "action" ? words.charAt(0).toUpperCase() + words.slice(1) : words;
}

function announce(current, words) {
  const end = Math.max(...[". ", "? ", "! "].map((mark) => words.lastIndexOf(mark))) + 1;
  if (end > current.spoken) {
    byId("live").textContent = words.slice(current.spoken, end).trim();
    current.spoken = end;
  }
}

function state(event) {
  if (event.data.state === "red_flag") byId("live").textContent = `Red flag: ${(event.data.says ?? []).join(", ")}`;
  if (event.data.state === "thinking") openTurn(event.turn, event.attempt);
  if (event.data.state === "restarted") {
    attemptOf(event);
    show(event.turn, "note", "restarted after an interruption");
  }
  refresh();
}

function turn(event) {
  const holder = document.createElement("template");
  holder.innerHTML = event.data.html; // escaped and sanitised by the server; the page's policy runs no inline script
  const fresh = holder.content.firstElementChild;
  const old = turnElement(event.data.number);
  const spoken = writing.get(event.data.number)?.spoken ?? 0;
  writing.delete(event.data.number);
  keepingPlace(() => (old ? old.replaceWith(fresh) : timeline.append(fresh)));
  fresh.classList.add("arrived");
  byId("live").textContent = (fresh.querySelector(".reason, .said, .result, .trouble")?.textContent ?? "").slice(spoken).trim();
  refresh();
}

function ended(event) {
  if (event.data.sentence) byId("live").textContent = event.data.sentence;
  refresh();
}

function failed(event) {
  byId("live").textContent = event.data.sentence;
  refresh();
}

let waiting = 0;
function refresh() {
  clearTimeout(waiting);
  waiting = setTimeout(() => htmx.ajax("GET", room.dataset.panel, { swap: "none", source: room }), 60);
}

// What was opened stays open, and what is being typed stays, as long as what can be done has not changed.
document.body.addEventListener("htmx:oobBeforeSwap", (event) => {
  const { target, fragment } = event.detail;
  const fresh = fragment?.firstElementChild ?? fragment;
  for (const folded of target.querySelectorAll("details[id]")) {
    const twin = fragment?.querySelector?.(`#${CSS.escape(folded.id)}`);
    if (twin && target.id !== "next" && (folded.open || target.id !== "red_flags")) twin.open = folded.open;
    if (twin && target.id === "red_flags" && matchMedia("(max-width: 760px)").matches) twin.open = folded.open;
  }
  if (!target.dataset.key || fresh?.dataset?.key !== target.dataset.key) return;
  const typed = [...target.querySelectorAll("input:not([type=hidden]), textarea")].some((field) => field.value !== field.defaultValue);
  if (typed || target.contains(document.activeElement)) event.detail.shouldSwap = false;
});

// While the new step is put in, the old one is still there: an open move of it would close the one that comes open.
document.body.addEventListener("htmx:oobBeforeSwap", (event) => {
  if (event.detail.shouldSwap === false) return;
  for (const move of event.detail.target.querySelectorAll("details[name]")) move.removeAttribute("name");
});

// --- quotes: the words themselves in the patient's column -----------------------------------------------------------

function textRange(element, words) {
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const at = walker.currentNode.data.indexOf(words);
    if (at === -1) continue;
    const range = new Range();
    range.setStart(walker.currentNode, at);
    range.setEnd(walker.currentNode, at + words.length);
    return range;
  }
  return null;
}

function point(link) {
  const target = byId(decodeURIComponent(link.hash.slice(1)));
  if (!target) return;
  const part = target.closest("section[role=tabpanel], .room > section");
  const tab = tabs.find((one) => one.getAttribute("aria-controls") === part?.id);
  if (tab && part.hasAttribute("data-hidden")) choose(tab);
  for (const folded of [target.closest("details")]) if (folded) folded.open = true;
  for (const old of document.querySelectorAll(".pointed")) old.classList.remove("pointed");
  target.classList.add("pointed");
  target.scrollIntoView({ block: "center" });
  if (!target.hasAttribute("tabindex")) target.tabIndex = -1;
  target.focus({ preventScroll: true });
  const range = CSS.highlights && link.dataset.quote ? textRange(target, link.dataset.quote) : null;
  CSS.highlights?.delete("quote");
  if (range) CSS.highlights.set("quote", new Highlight(range));
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a.quote, .at a, .order-card a[href^='#turn-']");
  if (!link) return;
  event.preventDefault();
  point(link);
});

let unfolded = [];
addEventListener("beforeprint", () => {
  unfolded = [...document.querySelectorAll(".room details:not([open]), #red_flags details:not([open])")];
  for (const details of unfolded) details.open = true;
});
addEventListener("afterprint", () => unfolded.forEach((details) => (details.open = false)));

// --- connection --------------------------------------------------------------------------------------------------

const GONE = { 4401: "You are signed out. Sign in again to go on; everything is saved.", 4404: "This consultation is not open to you any more." };
let socket = null;
let tries = 0;
let retry = 0;

function connect() {
  clearTimeout(retry);
  const mine = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${room.dataset.socket}`);
  socket = mine;
  mine.addEventListener("open", () => mine.send(JSON.stringify({ since: applied })));
  mine.addEventListener("open", () => connection("live"));
  mine.addEventListener("message", (message) => {
    if (socket !== mine) return;
    tries = 0;
    apply(JSON.parse(message.data));
  });
  mine.addEventListener("close", (event) => {
    if (socket !== mine) return;
    if (GONE[event.code]) return connection("ended", GONE[event.code]);
    connection(navigator.onLine ? "reconnecting" : "offline");
    retry = setTimeout(connect, Math.min(400 * 2 ** tries++, 15000) * (0.7 + Math.random() * 0.6));
  });
}

function connection(kind, sentence = "") {
  const words = { live: ["Live", "ok"], reconnecting: ["Reconnecting", "caution"], offline: ["Offline", "danger"], ended: ["Ended", "danger"] }[kind];
  const chip = byId("link-state");
  chip.hidden = false;
  chip.querySelector("i").className = `dot ${words[1]}`;
  chip.querySelector("span").textContent = words[0];
  const strip = byId("connection");
  strip.hidden = kind === "live" || (kind === "reconnecting" && tries < 1);
  strip.querySelector("span").textContent =
    sentence || (kind === "offline" ? "You are offline. What is on this page is saved; it goes on when the network is back." : "The connection was lost. Nothing is lost; reconnecting …");
  room.dataset.connection = kind;
}

addEventListener("online", () => socket?.readyState === WebSocket.CLOSED && connect());
addEventListener("offline", () => connection("offline"));
document.body.addEventListener("htmx:sendError", () => connection(navigator.onLine ? "reconnecting" : "offline"));
connect();

// --- tabs on narrow screens --------------------------------------------------------------------------------------

const tabs = [...document.querySelectorAll(".tabs [role=tab]")];

function choose(tab) {
  for (const other of tabs) {
    const chosen = other === tab;
    other.setAttribute("aria-selected", String(chosen));
    other.tabIndex = chosen ? 0 : -1;
    byId(other.getAttribute("aria-controls")).toggleAttribute("data-hidden", !chosen);
  }
}

function visit(tab) {
  choose(tab);
  if (tab.id === "tab-talk") return toEnd();
  const head = document.querySelector(".room-head");
  scrollTo({ top: Math.max(0, room.getBoundingClientRect().top + scrollY - head.offsetHeight) });
}

for (const tab of tabs) {
  tab.addEventListener("click", () => visit(tab));
  tab.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = tabs[(tabs.indexOf(tab) + step + tabs.length) % tabs.length];
    visit(next);
    next.focus({ preventScroll: true });
  });
}
choose(byId("tab-talk"));
if (matchMedia("(max-width: 760px)").matches) byId("flags-list")?.removeAttribute("open"); // its summary names them all
toEnd();

// --- keys --------------------------------------------------------------------------------------------------------

function step(by) {
  const turns = [...timeline.querySelectorAll(".turn")];
  const here = turns.indexOf(document.activeElement.closest?.(".turn"));
  const next = turns[here === -1 ? (by > 0 ? 0 : turns.length - 1) : Math.min(Math.max(here + by, 0), turns.length - 1)];
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
}

function unfold(id) {
  const details = byId(id);
  if (!details) return;
  choose(byId("tab-talk"));
  details.open = true;
  details.querySelector("textarea, input:not([type=hidden])").focus();
}

const KEYS = {
  j: () => step(1),
  k: () => step(-1),
  o: () => (choose(byId("tab-talk")), byId("order")?.focus()),
  r: () => unfold("result"),
  "/": () => unfold("say"),
  d: () => (choose(byId("tab-hypotheses")), byId("hypotheses").focus()),
  ".": () => byId("stop")?.click(),
  "?": () => byId("help").showModal(),
};

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, textarea, select, dialog");
  if (room.dataset.keys !== "1" || typing || event.ctrlKey || event.metaKey || event.altKey || !KEYS[event.key]) return;
  event.preventDefault();
  KEYS[event.key]();
});

// --- moves -------------------------------------------------------------------------------------------------------
// What the clinician does: the focus goes where the work continues, and a range follows its unit.
let attending = false; // whether the person's last place was in the step, wherever a redraw has left the focus since

document.addEventListener("focusin", (event) => (attending = Boolean(event.target.closest("#next"))));
document.addEventListener("pointerdown", (event) => event.target.closest("#next") || (attending = false));

// After a swap htmx gives the focus back to whatever has the old id; this comes later and decides. And once more when
// the focus was dropped without a new place, whoever did it, and when a step that could not take it yet now can.
document.body.addEventListener("htmx:oobAfterSwap", () => setTimeout(carryOn, 0));
document.addEventListener("focusout", () => setTimeout(carryOn, 80));
new MutationObserver(() => setTimeout(carryOn, 80)).observe(room, {
  childList: true,
  subtree: true,
  attributeFilter: ["disabled", "hidden", "data-hidden"],
});

function carryOn() {
  const next = byId("next");
  const lost = document.activeElement === document.body || document.activeElement === next;
  if (!attending || !lost) return; // it is in a field already, or the person went elsewhere
  // While the agent works the whole step holds the focus: a second Enter must not press Stop.
  const wanted = ["#answer", "#order:not(details *)", "details[open] input:not([type=hidden])", ".button.primary"];
  const first = wanted.flatMap((names) => [...next.querySelectorAll(names)]).find((field) => field.checkVisibility());
  (byId("stop") ? next : (first ?? next)).focus({ preventScroll: true });
}

// A move that somebody opens takes the focus into its first empty field; Escape closes it and gives it back.
function enter(move) {
  const fields = [...move.querySelectorAll("form input:not([type=hidden]), form select, form textarea, form button")];
  (fields.find((field) => !field.value || field.tagName === "BUTTON") ?? fields[0])?.focus();
}

document.addEventListener(
  "toggle",
  (event) => {
    const move = event.target;
    if (move.matches?.("#next details[name=move][open]") && document.activeElement === move.querySelector("summary")) enter(move);
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
  move.open = true;
  enter(move); // at once: the next key that is typed belongs to its field
});
