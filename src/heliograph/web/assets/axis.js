// Time on the plant's own wall, and figures in units a person reads. Pure.

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

/** A clock that knows from which moment on it is how many seconds ahead of UTC. */
export class Wall {
  constructor(offsets) {
    this.offsets = offsets;
  }

  ahead(moment) {
    let found = this.offsets[0][1];
    for (const [since, ahead] of this.offsets) if (moment >= since) found = ahead;
    return found;
  }

  /** The wall's date and time, as a Date whose UTC parts are the wall's. */
  at(moment) {
    return new Date((moment + this.ahead(moment)) * 1000);
  }

  /** The moment at which the wall shows so many seconds. */
  moment(shown) {
    return shown - this.ahead(shown - this.ahead(shown));
  }

  /** When a stretch of so many seconds begins. */
  says(moment, seconds) {
    return (seconds < DAY ? MOMENT : DATE).format(this.at(moment));
  }

  /** Where lines are drawn between two moments, at most so many, at round times of the wall. */
  ticks(min, max, most) {
    const step = STEPS.find((one) => (max - min) / one <= most);
    if (step) {
      const found = [];
      let moment = this.moment(Math.ceil((min + this.ahead(min)) / step) * step);
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

  /** The next round time: an hour that comes twice is passed twice, and of more hours those the wall shows as round. */
  next(moment, step) {
    if (step > HOUR) {
      const next = this.moment(Math.floor((moment + this.ahead(moment)) / step + 1) * step);
      return next > moment ? next : moment + step;
    }
    const next = moment + step;
    return next - ((next + this.ahead(next)) % step);
  }

  /** What stands at each line. */
  labels(ticks) {
    const apart = ticks.length > 1 ? ticks[1] - ticks[0] : HOUR;
    return ticks.map((moment) => {
      const at = this.at(moment);
      if (apart > 25 * DAY) return at.getUTCMonth() ? MONTH.format(at) : `${at.getUTCFullYear()}`;
      if (apart > 3 * DAY) return DATE.format(at);
      const time = at.toISOString().slice(11, 16);
      return apart >= 0.9 * DAY || time === "00:00" ? WEEKDAY.format(at) : time;
    });
  }
}

/** Three figures, as everywhere on the page; on a scale figures are round, and told as such. */
function figures(number, round) {
  const size = Math.abs(number);
  const places = size < 9.995 ? 2 : size < 99.95 ? 1 : 0;
  const shown = { minimumFractionDigits: round ? 0 : places, maximumFractionDigits: places };
  return number.toLocaleString("en-GB", shown).replace("-", "\u2212");
}

/** A power in the unit that suits it, or that suits the whole scale it marks. */
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
