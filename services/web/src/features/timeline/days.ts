const QUARTER_HOUR_MS = 900_000;

/**
 * A function from a moment to its calendar day in a time zone, as `2026-11-23`. Zones differ by quarters of an hour, so
 * one answer serves a quarter: formatting dates is what is slow in long timelines.
 */
export function dayIn(timeZone: string): (moment: number) => string {
  const format = new Intl.DateTimeFormat("en-CA", { timeZone, year: "numeric", month: "2-digit", day: "2-digit" });
  const known = new Map<number, string>();
  return (moment) => {
    const quarter = Math.floor(moment / QUARTER_HOUR_MS);
    let day = known.get(quarter);
    if (day === undefined) {
      if (known.size > 10_000) known.clear();
      day = format.format(quarter * QUARTER_HOUR_MS);
      known.set(quarter, day);
    }
    return day;
  };
}
