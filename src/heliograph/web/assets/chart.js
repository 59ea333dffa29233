// Draws the curves of a plant. Requests no more points than there are pixels; zooming in loads more detail.

import { LocalTime, percent, power } from "./axis.js";

const MAX_POINTS = 2000;
const MIN_RANGE = 1800;
const HEIGHT = 320;
const RELOAD_MS = 30000;
const LONG_RANGE = 20 * 86400;

export function draw(place) {
  return new Chart(place, JSON.parse(place.dataset.chart));
}

/** Insert gaps where samples are missing, so that no line is drawn across them. */
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
  constructor(place, config) {
    this.place = place;
    this.config = config;
    this.localTime = new LocalTime(config.offsets);
    this.canvas = place.querySelector(".canvas");
    this.readout = place.querySelector(".readout");
    // Over months the daily swings of grid and battery are a blur, so these curves are hidden at first.
    const long = config.until - config.since > LONG_RANGE;
    this.hidden = new Set(long ? config.curves.filter(({ mark }) => mark !== "sun" && mark !== "house").map((one) => one.metric) : []);
    this.range = [config.since, config.until];
    this.requests = 0;
    this.at = 0;
    this.canvas.addEventListener("keydown", (event) => this.key(event));
    this.canvas.addEventListener("dblclick", () => this.zoom(config.since, config.until));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.build());
    new ResizeObserver(() => this.fit()).observe(this.canvas);
    this.load();
  }

  get wide() {
    return Math.max(200, Math.floor(this.canvas.clientWidth));
  }

  /** Load the curves of the current range; only the response to the latest request is used. */
  async load() {
    const request = (this.requests += 1);
    const [since, until] = this.range;
    const wanted = new URLSearchParams({
      from: new Date(since * 1000).toISOString(),
      to: new Date(until * 1000).toISOString(),
      // Over months a bucket is a day: half days would alternate between day and night.
      points: until - since > LONG_RANGE * 3 ? Math.ceil((until - since) / 86400) : Math.min(MAX_POINTS, Math.max(300, this.wide)),
      metrics: this.config.curves.map((curve) => curve.metric).join(","),
    });
    this.loaded = Date.now();
    this.place.setAttribute("aria-busy", "true");
    try {
      const response = await fetch(`${this.config.samples}?${wanted}`);
      if (!response.ok) throw new Error(`${response.status}`);
      const data = await response.json();
      if (request === this.requests) this.setData(data);
    } catch {
      if (request === this.requests && !this.plot) this.showMessage("Could not load the chart. Retrying when the connection is back.");
    } finally {
      if (request === this.requests) this.place.removeAttribute("aria-busy");
    }
  }

  /** Reload if the range contains the present. */
  refresh() {
    const now = Date.now();
    if (!this.plot || (this.config.live && now - this.loaded > RELOAD_MS)) this.load();
  }

  setData(data) {
    const starts = data.starts.map((text) => Date.parse(text) / 1000);
    const [times, spread] = withGaps(starts, data.seconds, this.config.rhythm);
    this.curves = this.config.curves.filter(({ metric }) => data.metrics[metric]?.mean.some((value) => value != null));
    if (!this.curves.length) return this.showMessage("No data for this period.");
    this.seconds = data.seconds;
    this.detailed = data.seconds > 300;
    this.data = [times];
    for (const { metric } of this.curves) {
      const column = data.metrics[metric];
      this.data.push(spread(column.mean), ...(this.detailed ? [spread(column.low), spread(column.high)] : []));
    }
    const peaks = this.curves.flatMap(({ metric }) => (metric.endsWith("soc") ? [] : data.metrics[metric].high));
    this.place.querySelector(".signs").hidden = !this.curves.some(({ mark }) => mark === "grid" || mark === "battery");
    this.most = peaks.reduce((most, value) => Math.max(most, Math.abs(value ?? 0)), 0);
    this.build();
  }

  showMessage(text) {
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
      height: HEIGHT,
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
          splits: (_, __, min, max) => this.localTime.ticks(min, max, this.wide / (narrow ? 68 : 74)),
          values: (_, ticks) => this.localTime.labels(ticks),
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
    const buttons = this.curves.map(({ metric, mark, label }) => {
      const button = document.createElement("button");
      button.type = "button";
      button.setAttribute("aria-pressed", `${!this.hidden.has(metric)}`);
      const dot = document.createElement("span");
      dot.className = `mark ${mark}`;
      button.append(dot, label);
      button.addEventListener("click", () => {
        if (!this.hidden.delete(metric)) this.hidden.add(metric);
        this.build();
      });
      return button;
    });
    const legend = this.place.querySelector(".legend");
    const focused = [...legend.children].indexOf(document.activeElement);
    legend.replaceChildren(...buttons);
    buttons[focused]?.focus();
    const [since, until] = this.range;
    if (since > this.config.since || until < this.config.until) {
      const reset = document.createElement("button");
      reset.type = "button";
      reset.className = "whole";
      reset.textContent = "Reset zoom";
      reset.addEventListener("click", () => {
        this.zoom(this.config.since, this.config.until);
        this.canvas.focus();
      });
      legend.append(reset);
    }
  }

  read(place) {
    if (place == null || this.data[0][place] == null) return;
    this.at = place;
    const step = this.detailed ? 3 : 1;
    const values = this.curves.map(({ metric, label }, number) => {
      const value = this.data[1 + number * step][place];
      return `${label} ${metric.endsWith("soc") ? percent(value) : power(value)}`;
    });
    this.readout.textContent = `${this.localTime.format(this.data[0][place] - this.seconds / 2, this.seconds)}: ${values.join(", ")}`;
  }

  selected(plot) {
    const { left, width } = plot.select;
    if (width > 4) this.zoom(plot.posToVal(left, "x"), plot.posToVal(left + width, "x"));
    plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
  }

  zoom(since, until) {
    const short = Math.max(0, MIN_RANGE - (until - since)) / 2;
    this.range = [Math.max(this.config.since, Math.floor(since - short)), Math.min(this.config.until, Math.ceil(until + short))];
    // Existing data is shown at once, more detail follows.
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
      0: () => this.zoom(this.config.since, this.config.until),
      Escape: () => this.zoom(this.config.since, this.config.until),
    };
    const action = actions[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  }

  move(steps) {
    const times = this.data[0];
    const place = Math.min(times.length - 1, Math.max(0, this.at + steps));
    this.plot.setCursor({ left: this.plot.valToPos(times[place], "x"), top: HEIGHT / 2 });
    this.read(place);
  }

  fit() {
    if (this.plot && this.plot.width !== this.wide) this.plot.setSize({ width: this.wide, height: HEIGHT });
  }
}
