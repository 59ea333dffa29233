// Live updates: after an event the page is fetched again and the differences are applied.
// All text is rendered on the server; this script creates no markup of its own.

import { draw } from "./chart.js";
import { savePicture } from "./picture.js";

const MIN_INTERVAL = 1500;
const MAX_INTERVAL = 60000;
const RETRY_DELAY = 4000;

const lostNotice = document.querySelector("[data-lost]");
let fetchedAt = 0;
let timer = 0;
let lastId = "";
let chart = null;

/** Make an element equal to another one, changing only what differs, to preserve animation, focus and open sections. */
function morph(old, wanted) {
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
    if (place < before.length) morph(before[place], child);
    else old.append(document.importNode(child, true));
  });
  before.slice(after.length).forEach((child) => child.remove());
}

/** Fetch an address and replace the main element of this page by that of the response. */
async function show(address) {
  fetchedAt = Date.now();
  const response = await fetch(address, { headers: { accept: "text/html", "x-heliograph-refresh": "1" } });
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const main = page.getElementById("main");
  if (!main || (response.status >= 500 && response.status !== 503)) throw new Error(`${response.status}`);
  const loaded = new Set([...document.scripts].map((one) => one.getAttribute("src")));
  // A different page, for example after the first plant appeared: reload to get its scripts.
  if (response.redirected || [...page.scripts].some((one) => !loaded.has(one.getAttribute("src")))) return location.reload();
  morph(document.getElementById("main"), main);
  document.title = page.title;
  drawChart();
  if (response.status === 503) setTimeout(scheduleRefresh, RETRY_DELAY);
}

/** Draw the chart if it is new: at first, on a new day, and when the store is available again. */
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
    showConnectionLost(false);
  } catch {
    showConnectionLost(true);
  }
}

function scheduleRefresh() {
  timer ||= setTimeout(refresh, Math.max(0, fetchedAt + MIN_INTERVAL - Date.now()));
}

function showConnectionLost(isLost) {
  if (isLost) setTimeout(scheduleRefresh, RETRY_DELAY);
  lostNotice.hidden = !isLost;
}

function listen() {
  const address = new URL(document.body.dataset.live, location.href);
  if (lastId) address.searchParams.set("after", lastId);
  const events = new EventSource(address);
  const onEvent = (event) => {
    lastId = event.lastEventId;
    scheduleRefresh();
  };
  events.addEventListener("now", onEvent);
  events.addEventListener("accounts", onEvent);
  events.addEventListener("open", () => lostNotice.hidden || scheduleRefresh());
  events.addEventListener("error", () => {
    lostNotice.hidden = false;
    if (events.readyState === EventSource.CLOSED) setTimeout(listen, RETRY_DELAY);
  });
  addEventListener("pagehide", () => events.close(), { once: true });
}

/** The query that a form would send. */
function queryOf(form) {
  return String(new URLSearchParams([...new FormData(form)].filter(([, value]) => value)));
}

/** Search while typing, and for text that was typed before this script was loaded. */
function searchAsTyped(form) {
  let typing = 0;
  const search = () => {
    clearTimeout(typing);
    typing = setTimeout(() => {
      history.replaceState(null, "", `${form.getAttribute("action")}?${queryOf(form)}`);
      show(location.href).catch(() => showConnectionLost(true));
    }, 200);
  };
  form.addEventListener("input", search);
  const untouched = form.cloneNode(true);
  untouched.reset();
  if (queryOf(form) !== queryOf(untouched)) search();
}

/** The buttons that need a script: a picture of the chart above, and printing. */
function onClick({ target }) {
  const button = target.closest?.("[data-png], [data-print]");
  if (button?.hasAttribute("data-print")) print();
  else if (button) savePicture(button.closest(".card").querySelector("[data-picture]"));
}

document.documentElement.classList.add("scripted");
document.addEventListener("click", onClick);
drawChart();
document.querySelectorAll("form.filter").forEach(searchAsTyped);
document.addEventListener("visibilitychange", () => document.hidden || scheduleRefresh());
setInterval(scheduleRefresh, MAX_INTERVAL);
listen();
