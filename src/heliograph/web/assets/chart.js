// Draws a plant's curves. No more points are asked for than there are pixels; zooming in asks again, for more detail.

import { Wall, percent, power } from "./axis.js";

const MOST_POINTS = 2000;
const SHORTEST = 1800;
const HIGH = 320;
const SLOW = 30000;
const LONG = 20 * 86400;

export function draw(place) {
  return new Chart(place, JSON.parse(place.dataset.chart));
}

/** Put gaps where samples are missing: a line over hours nobody measured would be a guess. */
function withGaps(starts, seconds, rhythm) {
  const longest = Math.max(2 * seconds, 3 * rhythm, 900);
  const times = [];
  const from = [];
  starts.forEach((moment, place) => {
    if (place && moment - starts[place - 1] > longest) {
      times.push(starts[place - 1] + seconds);
      from.push(-1);
    }
    times.push(moment + seconds / 2);
    from.push(place);
  });
  return [times, (column) => from.map((place) => (place < 0 ? null : column[place]))];
}

class Chart {
  constructor(place, said) {
    this.place = place;
    this.said = said;
    this.wall = new Wall(said.offsets);
    this.canvas = place.querySelector(".canvas");
    this.readout = place.querySelector(".readout");
    // Over months the day's ups and downs of what comes and goes are a blur; who wants them asks for them.
    const long = said.until - said.since > LONG;
    this.hidden = new Set(long ? said.curves.filter(({ mark }) => mark !== "sun" && mark !== "house").map((one) => one.metric) : []);
    this.range = [said.since, said.until];
    this.asked = 0;
    this.at = 0;
    this.canvas.addEventListener("keydown", (event) => this.key(event));
    this.canvas.addEventListener("dblclick", () => this.zoom(said.since, said.until));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.build());
    new ResizeObserver(() => this.fit()).observe(this.canvas);
    this.load();
  }

  get wide() {
    return Math.max(200, Math.floor(this.canvas.clientWidth));
  }

  /** Ask for the curves of the present range; of answers that overtake each other the last question's counts. */
  async load() {
    const question = (this.asked += 1);
    const [since, until] = this.range;
    const wanted = new URLSearchParams({
      from: new Date(since * 1000).toISOString(),
      to: new Date(until * 1000).toISOString(),
      // Over months a stretch is a day: half days would beat between light and dark.
      points: until - since > LONG * 3 ? Math.ceil((until - since) / 86400) : Math.min(MOST_POINTS, Math.max(300, this.wide)),
      metrics: this.said.curves.map((curve) => curve.metric).join(","),
    });
    this.loaded = Date.now();
    this.place.setAttribute("aria-busy", "true");
    try {
      const reply = await fetch(`${this.said.samples}?${wanted}`);
      if (!reply.ok) throw new Error(`${reply.status}`);
      const answer = await reply.json();
      if (question === this.asked) this.take(answer);
    } catch {
      if (question === this.asked && !this.plot) this.tell("The curve could not be read. It is tried again when the connection is back.");
    } finally {
      if (question === this.asked) this.place.removeAttribute("aria-busy");
    }
  }

  /** Ask again where the range holds the present; the newest sample belongs there. */
  refresh() {
    const now = Date.now();
    if (!this.plot || (this.said.live && now - this.loaded > SLOW)) this.load();
  }

  take(answer) {
    const starts = answer.starts.map((text) => Date.parse(text) / 1000);
    const [times, spread] = withGaps(starts, answer.seconds, this.said.rhythm);
    this.curves = this.said.curves.filter(({ metric }) => answer.metrics[metric]?.mean.some((value) => value != null));
    if (!this.curves.length) return this.tell("Nothing is kept of this time.");
    this.seconds = answer.seconds;
    this.detailed = answer.seconds > 300;
    this.data = [times];
    for (const { metric } of this.curves) {
      const column = answer.metrics[metric];
      this.data.push(spread(column.mean), ...(this.detailed ? [spread(column.low), spread(column.high)] : []));
    }
    const peaks = this.curves.flatMap(({ metric }) => (metric.endsWith("soc") ? [] : answer.metrics[metric].high));
    this.place.querySelector(".signs").hidden = !this.curves.some(({ mark }) => mark === "grid" || mark === "battery");
    this.most = peaks.reduce((most, value) => Math.max(most, Math.abs(value ?? 0)), 0);
    this.build();
  }

  tell(text) {
    this.plot?.destroy();
    this.plot = null;
    const line = document.createElement("p");
    line.className = "wait";
    line.textContent = text;
    this.canvas.replaceChildren(line);
    this.place.querySelector(".legend").replaceChildren();
    this.readout.textContent = "";
    this.place.dataset.drawn = "nothing";
  }

  build() {
    if (!this.data) return;
    this.plot?.destroy();
    this.canvas.replaceChildren();
    const began = performance.now();
    this.plot = new uPlot(this.options(), this.data, this.canvas);
    this.place.dataset.drawn = `${this.data[0].length}`;
    this.place.dataset.took = `${Math.round(performance.now() - began)}`;
    this.legend();
    this.read(this.data[0].findLastIndex((_, place) => this.data[1][place] != null));
  }

  options() {
    const style = getComputedStyle(this.place);
    const colour = (name) => style.getPropertyValue(`--${name}`).trim();
    const narrow = this.wide < 500;
    const font = `${narrow ? 11 : 12}px ${style.fontFamily}`;
    const grid = { stroke: colour("line"), width: 1 };
    const axis = { stroke: colour("soft"), font, grid, ticks: { show: false } };
    const series = [{}];
    const bands = [];
    this.curves.forEach(({ metric, mark }) => {
      const soc = metric.endsWith("soc");
      const shared = { scale: soc ? "%" : "W", show: !this.hidden.has(metric), spanGaps: false, points: { show: false } };
      series.push({
        ...shared,
        stroke: colour(mark),
        width: soc ? 1.25 : 2,
        dash: soc ? [5, 4] : undefined,
        fill: mark === "sun" ? `${colour(mark)}26` : undefined,
      });
      if (this.detailed) {
        const edge = { ...shared, stroke: "transparent", width: 0 };
        series.push(edge, { ...edge });
        bands.push({ series: [series.length - 1, series.length - 2], fill: `${colour(mark)}2b` });
      }
    });
    const hasSoc = this.curves.some(({ metric }) => metric.endsWith("soc") && !this.hidden.has(metric));
    return {
      width: this.wide,
      height: HIGH,
      series,
      bands,
      legend: { show: false },
      padding: [12, hasSoc ? 0 : 28, 0, 0],
      cursor: { drag: { x: true, y: false, setScale: false }, points: { size: 7 }, y: false, bind: { dblclick: () => null } },
      scales: {
        x: { time: false, range: () => this.range },
        W: { range: (_, low, high) => [Math.min(0, (low ?? 0) * 1.08), Math.max(100, (high ?? 0) * 1.08)] },
        "%": { range: [0, 100] },
      },
      axes: [
        {
          ...axis,
          size: 30,
          splits: (_, __, min, max) => this.wall.ticks(min, max, this.wide / (narrow ? 68 : 74)),
          values: (_, ticks) => this.wall.labels(ticks),
        },
        { ...axis, scale: "W", size: narrow ? 50 : 62, values: (_, ticks) => ticks.map((watts) => power(watts, this.most)) },
        ...(hasSoc
          ? [{ ...axis, scale: "%", side: 1, size: narrow ? 40 : 50, grid: { show: false }, splits: [50, 100], values: (_, ticks) => ticks.map(percent) }]
          : []),
      ],
      hooks: {
        setSelect: [(plot) => this.selected(plot)],
        setCursor: [(plot) => this.read(plot.cursor.idx)],
      },
    };
  }

  legend() {
    const buttons = this.curves.map(({ metric, mark, word }) => {
      const button = document.createElement("button");
      button.type = "button";
      button.setAttribute("aria-pressed", `${!this.hidden.has(metric)}`);
      const dot = document.createElement("span");
      dot.className = `mark ${mark}`;
      button.append(dot, word);
      button.addEventListener("click", () => {
        if (!this.hidden.delete(metric)) this.hidden.add(metric);
        this.build();
      });
      return button;
    });
    const held = this.place.querySelector(".legend");
    const focused = [...held.children].indexOf(document.activeElement);
    held.replaceChildren(...buttons);
    buttons[focused]?.focus();
    const [since, until] = this.range;
    if (since > this.said.since || until < this.said.until) {
      const whole = document.createElement("button");
      whole.type = "button";
      whole.className = "whole";
      whole.textContent = "Show all";
      whole.addEventListener("click", () => {
        this.zoom(this.said.since, this.said.until);
        this.canvas.focus();
      });
      held.append(whole);
    }
  }

  read(place) {
    if (place == null || this.data[0][place] == null) return;
    this.at = place;
    const step = this.detailed ? 3 : 1;
    const said = this.curves.map(({ metric, word }, number) => {
      const value = this.data[1 + number * step][place];
      return `${word} ${metric.endsWith("soc") ? percent(value) : power(value)}`;
    });
    this.readout.textContent = `${this.wall.says(this.data[0][place] - this.seconds / 2, this.seconds)}: ${said.join(", ")}`;
  }

  selected(plot) {
    const { left, width } = plot.select;
    if (width > 4) this.zoom(plot.posToVal(left, "x"), plot.posToVal(left + width, "x"));
    plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
  }

  zoom(since, until) {
    const short = Math.max(0, SHORTEST - (until - since)) / 2;
    this.range = [Math.max(this.said.since, Math.floor(since - short)), Math.min(this.said.until, Math.ceil(until + short))];
    // What is here is shown at once; what belongs there follows.
    if (this.plot) this.plot.setScale("x", { min: this.range[0], max: this.range[1] });
    this.load();
  }

  key(event) {
    if (!this.plot || event.ctrlKey || event.metaKey || event.altKey) return;
    const [since, until] = this.range;
    const middle = Math.min(until, Math.max(since, this.data[0][this.at] ?? (since + until) / 2));
    const around = (share) => this.zoom(middle - (middle - since) * share, middle + (until - middle) * share);
    const actions = {
      ArrowLeft: () => this.move(-1),
      ArrowRight: () => this.move(1),
      "+": () => around(0.5),
      "=": () => around(0.5),
      "-": () => around(2),
      0: () => this.zoom(this.said.since, this.said.until),
      Escape: () => this.zoom(this.said.since, this.said.until),
    };
    const action = actions[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  }

  move(steps) {
    const times = this.data[0];
    const place = Math.min(times.length - 1, Math.max(0, this.at + steps));
    this.plot.setCursor({ left: this.plot.valToPos(times[place], "x"), top: HIGH / 2 });
    this.read(place);
  }

  fit() {
    if (this.plot && this.plot.width !== this.wide) this.plot.setSize({ width: this.wide, height: HIGH });
  }
}
