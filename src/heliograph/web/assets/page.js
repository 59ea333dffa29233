// Keeps a page true: when something changes, the page is asked for again and what differs is taken over.
// All words and figures are made on the server; nothing here writes markup of its own.

import { draw } from "./chart.js";

const AT_MOST_EVERY = 1500;
const AT_LEAST_EVERY = 60000;
const AGAIN = 4000;

const notice = document.querySelector("[data-lost]");
let asked = 0;
let timer = 0;
let lastId = "";
let chart = null;

/** Make an element like another one, touching only what differs, so that motion, focus and folds stay. */
function become(old, wanted) {
  if (old.nodeType !== wanted.nodeType || old.nodeName !== wanted.nodeName) {
    old.replaceWith(document.importNode(wanted, true));
    return;
  }
  if (old.nodeType === Node.ELEMENT_NODE && old.dataset.keep !== wanted.dataset.keep) {
    old.replaceWith(document.importNode(wanted, true));
    return;
  }
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== wanted.data) old.data = wanted.data;
    return;
  }
  if (old.nodeType !== Node.ELEMENT_NODE || old.hasAttribute("data-keep")) return;
  for (const { name, value } of wanted.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  for (const { name } of [...old.attributes]) {
    if (!wanted.hasAttribute(name) && !(name === "open" && old.nodeName === "DETAILS")) old.removeAttribute(name);
  }
  const before = [...old.childNodes];
  const after = [...wanted.childNodes];
  after.forEach((child, place) => {
    if (place < before.length) become(before[place], child);
    else old.append(document.importNode(child, true));
  });
  before.slice(after.length).forEach((child) => child.remove());
}

/** Ask for an address and show its main part in place of this one's. */
async function show(address) {
  asked = Date.now();
  const reply = await fetch(address, { headers: { accept: "text/html" } });
  const page = new DOMParser().parseFromString(await reply.text(), "text/html");
  const main = page.getElementById("main");
  if (!main || (reply.status >= 500 && reply.status !== 503)) throw new Error(`${reply.status}`);
  const here = new Set([...document.scripts].map((one) => one.getAttribute("src")));
  // Another page by now, as when the first plant is there: it brings what it draws with.
  if (reply.redirected || [...page.scripts].some((one) => !here.has(one.getAttribute("src")))) return location.reload();
  become(document.getElementById("main"), main);
  document.title = page.title;
  drawChart();
  if (reply.status === 503) setTimeout(soon, AGAIN);
}

/** Draw where there is something to draw: at first, on a new day, and when a store can be read again. */
function drawChart() {
  const place = document.querySelector("[data-chart]");
  if (place && place !== chart?.place) chart = draw(place);
}

async function refresh() {
  timer = 0;
  if (document.hidden) return;
  try {
    await show(location.href);
    chart?.refresh();
    lost(false);
  } catch {
    lost(true);
  }
}

function soon() {
  timer ||= setTimeout(refresh, Math.max(0, asked + AT_MOST_EVERY - Date.now()));
}

function lost(away) {
  if (away) setTimeout(soon, AGAIN);
  notice.hidden = !away;
}

function listen() {
  const address = new URL(document.body.dataset.live, location.href);
  if (lastId) address.searchParams.set("after", lastId);
  const events = new EventSource(address);
  const heard = (event) => {
    lastId = event.lastEventId;
    soon();
  };
  events.addEventListener("now", heard);
  events.addEventListener("accounts", heard);
  events.addEventListener("open", () => notice.hidden || soon());
  events.addEventListener("error", () => {
    notice.hidden = false;
    if (events.readyState === EventSource.CLOSED) setTimeout(listen, AGAIN);
  });
  addEventListener("pagehide", () => events.close(), { once: true });
}

/** Let a search happen while it is typed. */
function searchAsTyped(form) {
  let typing = 0;
  form.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => {
      const wanted = new URLSearchParams([...new FormData(form)].filter(([, value]) => value));
      history.replaceState(null, "", `/?${wanted}`);
      show(location.href).catch(() => lost(true));
    }, 200);
  });
}

document.documentElement.classList.add("scripted");
drawChart();
document.querySelectorAll("form.filter").forEach(searchAsTyped);
document.addEventListener("visibilitychange", () => document.hidden || soon());
setInterval(soon, AT_LEAST_EVERY);
listen();
