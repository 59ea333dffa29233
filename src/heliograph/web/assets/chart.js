// Draws the curves of a plant. Requests no more points than there are pixels; zooming in loads more detail.

import { LocalTime, percent, power } from "./axis.js";

const MAX_POINTS = 2000;
const MIN_RANGE = 1800;
const HEIGHT = 320;
const RELOAD_MS = 30000;
const LONG_RANGE = 20 * 86400;
const RANGED = 3600;
const IDLE = 0.5;

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

/** The size of a vertical axis: as wide as its longest label. */
function widest(plot, labels, number, cycle) {
  const axis = plot.axes[number];
  // Later cycles would never end: another size changes the ticks.
  if (cycle > 1) return axis._size;
  plot.ctx.font = axis.font[0];
  const widths = (labels ?? []).map((label) => plot.ctx.measureText(label).width / devicePixelRatio);
  return Math.ceil(Math.max(0, ...widths)) + axis.gap + 4;
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
    this.times = times;
    this.columns = new Map();
    for (const { metric } of this.curves) {
      const { mean, low, high } = data.metrics[metric];
      this.columns.set(metric, { mean: spread(mean), low: spread(low), high: spread(high) });
    }
    this.place.querySelector(".signs").hidden = !this.curves.some(({ mark }) => mark === "grid" || mark === "battery");
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
    if (!this.columns) return;
    this.plot?.destroy();
    this.canvas.replaceChildren();
    const began = performance.now();
    const style = getComputedStyle(this.place);
    const colour = (name) => style.getPropertyValue(`--${name}`).trim();
    const [layers, bands] = this.layers(colour);
    const watts = layers.filter(({ scale }) => scale === "W").flatMap(({ values }) => values);
    this.most = watts.reduce((most, value) => Math.max(most, Math.abs(value ?? 0)), 0);
    const series = [{}, ...layers.map(({ values, ...options }) => ({ spanGaps: false, points: { show: false }, ...options }))];
    this.plot = new uPlot(this.options(style, colour, series, bands), [this.times, ...layers.map(({ values }) => values)], this.canvas);
    this.place.dataset.drawn = `${this.times.length}`;
    this.place.dataset.took = `${Math.round(performance.now() - began)}`;
    this.legend();
    const [first] = this.columns.values();
    this.read(this.times.findLastIndex((_, place) => first.mean[place] != null));
  }

  /** The series to draw, from back to front, and the filled bands between two of them. */
  layers(colour) {
    const shown = this.curves.filter(({ metric }) => !this.hidden.has(metric));
    const layers = [];
    const bands = [];
    const band = (upper, lower, fill) => {
      layers.push({ stroke: "transparent", width: 0, scale: "W", ...upper }, { stroke: "transparent", width: 0, scale: "W", ...lower });
      bands.push({ series: [layers.length - 1, layers.length], fill });
    };
    // Averages of hours hide the peaks, so the range is drawn behind them.
    for (const { metric, mark } of this.seconds >= RANGED ? shown : []) {
      const { low, high } = this.columns.get(metric);
      if (mark === "sun" || mark === "house") band({ values: high }, { values: low }, `${colour(mark)}26`);
    }
    const areas = shown.filter(({ area }) => area).map(({ metric, mark }) => [this.columns.get(metric).mean, mark]);
    for (const sign of [1, -1]) {
      let base = this.times.map(() => 0);
      for (const [mean, mark] of areas) {
        const part = mean.map((value) => (value == null ? null : Math.max(0, value * sign) * sign));
        // No edge where nothing flows: it would hide the edge of the area below.
        const drawn = part.map((value, place) => value != null && (value || part[place - 1] || part[place + 1]));
        if (!drawn.some(Boolean)) continue;
        const edge = base.map((value, place) => value + (part[place] ?? 0));
        const outer = { values: edge.map((value, place) => (drawn[place] ? value : null)), stroke: colour(mark), width: 1.5 };
        const inner = { values: base.map((value, place) => (drawn[place] ? value : null)) };
        band(...(sign > 0 ? [outer, inner] : [inner, outer]), `${colour(mark)}5e`);
        base = edge;
      }
    }
    for (const { metric, mark } of shown.filter(({ area }) => !area)) {
      const soc = metric.endsWith("soc");
      const line = { values: this.columns.get(metric).mean, stroke: colour(mark), scale: soc ? "%" : "W" };
      layers.push({ ...line, width: soc ? 1.25 : 2.25, dash: soc ? [5, 4] : undefined });
    }
    return [layers, bands];
  }

  options(style, colour, series, bands) {
    const narrow = this.wide < 500;
    const font = `${narrow ? 11 : 12}px ${style.fontFamily}`;
    const grid = { stroke: colour("line"), width: 1 };
    const axis = { stroke: colour("soft"), font, grid, ticks: { show: false } };
    const hasSoc = series.some(({ scale }) => scale === "%");
    return {
      width: this.wide,
      height: HEIGHT,
      series,
      bands,
      legend: { show: false },
      padding: [12, hasSoc ? 0 : 28, 0, 0],
      cursor: {
        drag: { x: true, y: false, setScale: false },
        points: { size: 7 },
        y: false,
        bind: { dblclick: () => null },
      },
      scales: {
        x: { time: false, range: () => this.range },
        W: { range: (_, low, high) => [Math.min(0, (low ?? 0) * 1.08), Math.max(100, (high ?? 0) * 1.08)] },
        "%": { range: [0, 100] },
      },
      axes: [
        {
          ...axis,
          size: 34,
          gap: 9,
          splits: (_, __, min, max) => this.localTime.ticks(min, max, this.wide / (narrow ? 68 : 74)),
          values: (_, ticks) => this.localTime.labels(ticks),
        },
        { ...axis, scale: "W", size: widest, values: (_, ticks) => ticks.map((watts) => power(watts, this.most)) },
        ...(hasSoc
          ? [{ ...axis, scale: "%", side: 1, size: widest, grid: { show: false }, splits: [50, 100], values: (_, ticks) => ticks.map(percent) }]
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
    if (place == null || this.times[place] == null) return;
    this.at = place;
    const values = this.curves.map(({ metric, label, signs }) => {
      const value = this.columns.get(metric).mean[place];
      if (metric.endsWith("soc")) return `${label} ${percent(value)}`;
      // A direction in words instead of a sign.
      const word = value == null || Math.abs(value) < IDLE ? "" : signs[value > 0 ? 0 : 1];
      return word ? `${label} ${word} ${power(Math.abs(value))}` : `${label} ${power(value)}`;
    });
    this.readout.textContent = `${this.localTime.format(this.times[place] - this.seconds / 2, this.seconds)}: ${values.join(", ")}`;
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
    const middle = Math.min(until, Math.max(since, this.times[this.at] ?? (since + until) / 2));
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
    const times = this.times;
    const place = Math.min(times.length - 1, Math.max(0, this.at + steps));
    this.plot.setCursor({ left: this.plot.valToPos(times[place], "x"), top: HEIGHT / 2 });
    this.read(place);
  }

  fit() {
    if (this.plot && this.plot.width !== this.wide) this.plot.setSize({ width: this.wide, height: HEIGHT });
  }
}
