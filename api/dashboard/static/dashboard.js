"use strict";
// Keeps pages fresh. Every page works without this; the server makes all that is shown.
//
// Each part of a page that can change is marked data-fresh and has an id. When something happens that concerns the page
// (its <body data-live>), the page is fetched again and these parts are brought up to date in place, so that the focus,
// unfolded details and fields being edited stay as they are.

const root = document.body.dataset.root;
const live = document.body.dataset.live;
const pulse = document.getElementById("pulse");

// --- fresh parts -------------------------------------------------------------------------------------------------

const LEAST_PAUSE_MS = 700; // between two looks, while much happens
const POLL_MS = 2000; // without events
const IDLE_MS = { agents: 4000 }; // what changes without events: heartbeats
const SLOW_MS = 15000; // for words such as "5 s ago"

let lastLook = 0;
let timer = null;
let isLooking = false;
let isWanted = false;

function look() {
  // at once after a silence, then at most once in a while, and once more behind the last event
  isWanted = true;
  if (timer !== null || isLooking || document.hidden) return;
  const wait = Math.max(0, lastLook + LEAST_PAUSE_MS - performance.now());
  timer = setTimeout(refresh, wait);
}

async function refresh() {
  timer = null;
  isWanted = false;
  isLooking = true;
  lastLook = performance.now();
  try {
    const address = new URL(location.href);
    address.searchParams.delete("done");
    const response = await fetch(address, { headers: { Accept: "text/html" }, redirect: "manual" });
    if (response.type === "opaqueredirect" || response.status === 401) {
      location.reload(); // the session has ended
      return;
    }
    if (response.status === 404) {
      announce("This item no longer exists.");
      return;
    }
    if (!response.ok) throw new Error(`status ${response.status}`);
    renew(new DOMParser().parseFromString(await response.text(), "text/html"));
    lost = false;
    showPulse();
  } catch (error) {
    lost = true;
    showPulse();
  } finally {
    isLooking = false;
    if (isWanted) look();
  }
}

function renew(page) {
  const before = statusOf(document);
  for (const part of document.querySelectorAll("[data-fresh]")) {
    const fresh = page.getElementById(part.id);
    if (fresh) {
      Idiomorph.morph(part, fresh, {
        ignoreActiveValue: true,
        callbacks: {
          // keep open what the viewer has opened, and ticked what the viewer has ticked
          beforeAttributeUpdated: (name, node) =>
            !((name === "open" && node.tagName === "DETAILS") || (name === "checked" && node.type === "checkbox")),
        },
      });
    }
  }
  setClock();
  const after = statusOf(document);
  if (before !== after) announce(`The job is now ${after.replace("_", " ")}.`);
  if (page.title) document.title = page.title;
  const now = page.body.dataset.live;
  if (now !== document.body.dataset.live) document.body.dataset.live = now;
  if (!now) unfollow(); // nothing can happen here any more
  startOutput();
}

function statusOf(page) {
  const summary = page.getElementById("summary");
  return summary ? summary.dataset.status || "" : "";
}

function announce(text) {
  document.getElementById("announce").textContent = text;
}

// --- events ------------------------------------------------------------------------------------------------------

let events = null;
let isPolling = false; // this server has no events for us
let lost = false;

function follow() {
  if (!document.body.dataset.live || document.hidden || events || isPolling) return;
  events = new EventSource(`${root}/events`);
  events.addEventListener("open", () => {
    showPulse();
    look(); // events from before it was open
  });
  events.addEventListener("job", (event) => {
    const wanted = document.body.dataset.live;
    if (wanted === "all" || wanted === "agents" || isOf(wanted, JSON.parse(event.data).job_id)) look();
  });
  events.addEventListener("reset", look);
  events.addEventListener("error", () => {
    if (events && events.readyState === EventSource.CLOSED) {
      events = null;
      isPolling = true;
    }
    showPulse();
  });
}

function isOf(wanted, id) {
  return wanted.startsWith("job:") && wanted.slice(4).split(",").includes(id);
}

function unfollow() {
  // a browser has few connections to one server, and hidden tabs should not hold any
  if (events) events.close();
  events = null;
}

function showPulse() {
  let [state, label, text] = ["still", "Not live", "This page shows the state at the time it was loaded"];
  if (lost) [state, label, text] = ["lost", "No answer", "The server does not answer; trying again"];
  else if (document.body.dataset.live && events && events.readyState === EventSource.OPEN) [state, label, text] = ["live", "Live", "Updated with each event"];
  else if (document.body.dataset.live) [state, label, text] = ["polling", "Polling", "Updated every few seconds"];
  if (pulse.dataset.state === state) return;
  pulse.dataset.state = state;
  pulse.title = text;
  document.getElementById("pulse-text").textContent = label;
}

if (live) {
  follow();
  showPulse();
  setInterval(() => {
    if (document.hidden) return;
    const silent = performance.now() - lastLook;
    const isOpen = events && events.readyState === EventSource.OPEN;
    const most = !document.body.dataset.live ? Infinity : isOpen ? IDLE_MS[live] || SLOW_MS : POLL_MS;
    if (silent >= Math.min(most, lost ? POLL_MS : Infinity)) look();
  }, 500);
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) unfollow();
    else {
      follow();
      look();
    }
  });
  addEventListener("pagehide", unfollow);
  addEventListener("pageshow", (event) => {
    if (event.persisted) {
      follow();
      look();
    }
  });
}

// --- a job that runs: its times go on between two looks -----------------------------------------------------------

const TICK_MS = 1000;
const LEAST_WIDTH = 3; // of a bar's piece, so that it can be seen

// how far the server's clock is ahead of this one, in ms
let ahead = 0;

function setClock() {
  const summary = document.getElementById("summary");
  if (summary && summary.dataset.now) ahead = Number(summary.dataset.now) / 1000 - Date.now();
}

function duration(micros) {
  const millis = Math.max(0, Math.round(micros / 1000));
  if (millis < 1000) return `${millis}ms`;
  if (millis < 60000) return `${Math.floor(millis / 100) / 10}s`;
  const seconds = Math.floor(millis / 1000);
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  return `${hours ? `${hours}h` : ""}${minutes}m${seconds % 60}s`;
}

function tick() {
  if (document.hidden || !document.body.dataset.live.startsWith("job:")) return;
  const now = (Date.now() + ahead) * 1000;
  for (const place of document.querySelectorAll("[data-since]")) {
    place.textContent = duration(now - Number(place.dataset.since));
  }
  const table = document.querySelector(".bars[data-created]");
  if (!table) return;
  const created = Number(table.dataset.created);
  const width = Number(table.dataset.width);
  const length = Math.max(now - created, 1000);
  table.querySelectorAll(".scale span").forEach((place, part) => (place.textContent = duration((length * part) / 4)));
  for (const piece of table.querySelectorAll("rect[data-from]")) {
    const start = Number(piece.dataset.from);
    const end = piece.dataset.to ? Number(piece.dataset.to) : now;
    const x = Math.max(0, Math.min(((start - created) / length) * width, width - LEAST_WIDTH));
    piece.setAttribute("x", x.toFixed(1));
    piece.setAttribute("width", Math.max(LEAST_WIDTH, Math.min(((end - start) / length) * width, width - x)).toFixed(1));
  }
}

if (live && live.startsWith("job:")) {
  setClock();
  setInterval(tick, TICK_MS);
}

// --- output of a job ---------------------------------------------------------------------------------------------

const MOST_PIECES = 3000; // kept on the page
// what terminals take as commands: colours, cursor movements, titles
const ESCAPES = /\x1b(?:\[[0-9;:?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])|[\x00-\x08\x0b\x0c\x0e-\x1f]/g;
let output = null;

// puts each line of several agents' output behind its agent, whatever pieces it comes in
function prefixer() {
  let openHost = null; // whose line is unfinished
  return ({ hostname, text }) => {
    let shown = openHost !== null && openHost !== hostname ? "\n" : "";
    if (shown) openHost = null;
    text.split("\n").forEach((part, number) => {
      if (number > 0) {
        shown += "\n";
        openHost = null;
      }
      if (!part) return;
      if (openHost === null) shown += `${hostname} | `;
      shown += part;
      openHost = hostname;
    });
    return shown;
  };
}

function startOutput() {
  const box = document.getElementById("output");
  if (!box || output || box.dataset.done || document.hidden) return;
  const isSingle = box.dataset.single === "yes";
  if (!box.dataset.host && !isSingle) return;
  const isOfAll = box.dataset.all === "yes";
  let prefixed = isOfAll ? prefixer() : (piece) => piece.text;
  const query = isSingle || isOfAll ? "" : `?hostname=${encodeURIComponent(box.dataset.host)}`;
  const note = document.getElementById("output-note");
  let dropped = 0;
  // it starts again each time it is opened
  box.textContent = "";
  output = new EventSource(`${root}/job/${box.dataset.job}/logs${query}`);
  output.addEventListener("open", () => {
    if (!isOfAll) return;
    // without ids of events, the server starts over after a broken connection
    box.textContent = "";
    prefixed = prefixer();
  });
  output.addEventListener("output", (event) => {
    const piece = JSON.parse(event.data);
    const isAtEnd = box.scrollTop + box.clientHeight >= box.scrollHeight - 30;
    const span = document.createElement("span");
    span.className = `from-${piece.stream}`;
    span.textContent = prefixed(piece).replace(/\r\n/g, "\n").replace(ESCAPES, "");
    box.append(span);
    while (box.childElementCount > MOST_PIECES) {
      box.firstElementChild.remove();
      dropped += 1;
    }
    note.textContent = dropped ? "Only the end is shown here; the complete output is available as plain text." : "";
    if (isAtEnd) box.scrollTop = box.scrollHeight;
  });
  output.addEventListener("cut", (event) => {
    note.textContent = `The first ${JSON.parse(event.data).bytes.toLocaleString("en")} bytes are no longer stored.`;
  });
  output.addEventListener("end", () => {
    box.dataset.done = "yes";
    if (!box.childElementCount) note.textContent = "Nothing was printed.";
    output.close();
    output = null;
  });
  output.addEventListener("error", () => {
    if (output && output.readyState === EventSource.CLOSED) {
      note.textContent = "The output cannot be read; load the page again.";
      box.dataset.done = "yes";
      output = null;
    }
  });
}

function stopOutput() {
  if (output) output.close();
  output = null;
}

startOutput();
document.addEventListener("visibilitychange", () => (document.hidden ? stopOutput() : startOutput()));
addEventListener("pagehide", stopOutput);

// --- forms -------------------------------------------------------------------------------------------------------

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-confirm]");
  if (button && !confirm(button.dataset.confirm)) event.preventDefault();
});

const form = document.getElementById("submit-form");
if (form) {
  const target = document.getElementById("target");
  const place = document.getElementById("reach");
  // a plan that was previewed is that of the form as it was then
  form.addEventListener("input", () => document.getElementById("plan")?.remove());
  let wait = null;
  let asked = 0;
  // a front does not show which agents match
  if (place) target.addEventListener("input", () => {
    clearTimeout(wait);
    wait = setTimeout(async () => {
      const number = (asked += 1);
      const query = new URLSearchParams({ operation: form.dataset.operation, target: target.value });
      const response = await fetch(`${root}/ui/reach?${query}`).catch(() => null);
      if (number !== asked || !response || !response.ok || response.redirected) return;
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      place.replaceChildren(...page.body.childNodes);
    }, 200);
  });
}

const problem = document.querySelector("[aria-invalid=true]");
if (problem) {
  const folded = problem.closest("details");
  if (folded) folded.open = true;
  problem.focus();
}

// --- colours -----------------------------------------------------------------------------------------------------

const theme = document.getElementById("theme");
const CHOICES = ["system", "light", "dark"];
const WORDS = { system: "Colours: system setting", light: "Colours: light", dark: "Colours: dark" };
const SIGNS = { system: "◐", light: "○", dark: "●" };

function showTheme(choice) {
  theme.setAttribute("aria-label", WORDS[choice]);
  theme.title = WORDS[choice];
  theme.textContent = SIGNS[choice];
}

theme.hidden = false;
showTheme(document.documentElement.dataset.theme || "system");
theme.addEventListener("click", () => {
  const now = document.documentElement.dataset.theme || "system";
  const next = CHOICES[(CHOICES.indexOf(now) + 1) % CHOICES.length];
  if (next === "system") {
    delete document.documentElement.dataset.theme;
    localStorage.removeItem("jobqueue-theme");
  } else {
    document.documentElement.dataset.theme = next;
    localStorage.setItem("jobqueue-theme", next);
  }
  showTheme(next);
});
