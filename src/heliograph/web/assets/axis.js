// Plant-local time axis, and number formatting. Pure functions.

const MINUTE = 60;
const HOUR = 3600;
const DAY = 86400;
const STEPS = [5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR];
const DAYS = [1, 2, 7, 14];
const MONTHS = [1, 2, 3, 6, 12];

const MONTH = new Intl.DateTimeFormat("en-GB", { month: "short", timeZone: "UTC" });
const WEEKDAY = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric", timeZone: "UTC" });
const DATE = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });
const MOMENT = new Intl.DateTimeFormat("en-GB", {
  weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", timeZone: "UTC",
});

/** Local time by a list of UTC offsets, each with the time from which it applies. */
export class LocalTime {
  constructor(offsets) {
    this.offsets = offsets;
  }

  offset(moment) {
    let found = this.offsets[0][1];
    for (const [since, offset] of this.offsets) if (moment >= since) found = offset;
    return found;
  }

  /** Local date and time, as a Date whose UTC fields are local. */
  at(moment) {
    return new Date((moment + this.offset(moment)) * 1000);
  }

  /** The Unix time of a local time in seconds. */
  moment(shown) {
    return shown - this.offset(shown - this.offset(shown));
  }

  /** Format the start of a bucket. */
  format(moment, seconds) {
    return (seconds < DAY ? MOMENT : DATE).format(this.at(moment));
  }

  /** Positions of grid lines between two times: at most `most`, at round local times. */
  ticks(min, max, most) {
    const step = STEPS.find((one) => (max - min) / one <= most);
    if (step) {
      const found = [];
      let moment = this.moment(Math.ceil((min + this.offset(min)) / step) * step);
      while (moment <= max) {
        if (moment >= min) found.push(moment);
        moment = this.next(moment, step);
      }
      return found;
    }
    const start = this.at(min);
    const [year, month, day] = [start.getUTCFullYear(), start.getUTCMonth(), start.getUTCDate()];
    const days = DAYS.find((one) => (max - min) / DAY / one <= most);
    const months = MONTHS.find((one) => (max - min) / DAY / 30 / one <= most) ?? 12;
    const found = [];
    for (let number = 0; number < 400; number += 1) {
      const shown = days
        ? Date.UTC(year, month, day + number * days)
        : Date.UTC(year, month - (month % months) + number * months, 1);
      const moment = this.moment(shown / 1000);
      if (moment > max) break;
      if (moment >= min) found.push(moment);
    }
    return found;
  }

  /** The next round local time; a repeated hour is passed twice. */
  next(moment, step) {
    if (step > HOUR) {
      const next = this.moment(Math.floor((moment + this.offset(moment)) / step + 1) * step);
      return next > moment ? next : moment + step;
    }
    const next = moment + step;
    return next - ((next + this.offset(next)) % step);
  }

  /** Labels of the grid lines. */
  labels(ticks) {
    const distance = ticks.length > 1 ? ticks[1] - ticks[0] : HOUR;
    return ticks.map((moment) => {
      const at = this.at(moment);
      if (distance > 25 * DAY) return at.getUTCMonth() ? MONTH.format(at) : `${at.getUTCFullYear()}`;
      if (distance > 3 * DAY) return DATE.format(at);
      const time = at.toISOString().slice(11, 16);
      return distance >= 0.9 * DAY || time === "00:00" ? WEEKDAY.format(at) : time;
    });
  }
}

/** Three significant digits; round numbers on an axis. */
function figures(number, round) {
  const size = Math.abs(number);
  const places = size < 9.995 ? 2 : size < 99.95 ? 1 : 0;
  const shown = { minimumFractionDigits: round ? 0 : places, maximumFractionDigits: places };
  return number.toLocaleString("en-GB", shown).replace("-", "\u2212");
}

/** A power in a suitable unit, or in the unit of the whole axis. */
export function power(watts, scale) {
  if (watts == null) return "–";
  const size = scale ?? Math.abs(watts);
  if (size < 999.5) return `${figures(Math.round(watts), true)}\u202fW`;
  const [part, unit] = size < 999500 ? [1e3, "kW"] : [1e6, "MW"];
  return `${figures(watts / part, scale !== undefined)}\u202f${unit}`;
}

export function percent(share) {
  return share == null ? "–" : `${Math.round(share)}\u202f%`;
}
