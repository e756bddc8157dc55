/** Numbers, times and sizes as people read them. */

const UNKNOWN = "\u2013";
const MINUTE = 60;
const HOUR = 3600;
const DAY = 86400;
const DIGITS = 4;

/** A value of a metric in four digits; very small and very large ones with an exponent. */
export function formatValue(value: number | undefined): string {
  if (value === undefined) {
    return UNKNOWN;
  }
  if (!Number.isFinite(value)) {
    return Number.isNaN(value) ? "NaN" : value > 0 ? "\u221e" : "-\u221e";
  }
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e6)) {
    return value.toExponential(2).replace("e+", "e");
  }
  return String(Number(value.toPrecision(DIGITS)));
}

/** A share from 0 to 1 in percent. */
export function formatShare(share: number | undefined, digits = 1): string {
  return share === undefined || !Number.isFinite(share) ? UNKNOWN : `${(share * 100).toFixed(digits)} %`;
}

/** A whole number with its thousands apart. */
export function formatCount(count: number): string {
  return count.toLocaleString("en").replaceAll(",", "\u202f");
}

/** Seconds as a duration of at most two parts, such as `3 min 20 s`. */
export function formatDuration(seconds: number | undefined): string {
  if (seconds === undefined || !Number.isFinite(seconds) || seconds < 0) {
    return UNKNOWN;
  }
  if (seconds < MINUTE) {
    return seconds < 10 ? `${seconds.toFixed(1)} s` : `${Math.round(seconds)} s`;
  }
  const whole = Math.round(seconds);
  if (whole < HOUR) {
    return `${Math.floor(whole / MINUTE)} min ${whole % MINUTE} s`;
  }
  if (whole < DAY) {
    return `${Math.floor(whole / HOUR)} h ${Math.floor((whole % HOUR) / MINUTE)} min`;
  }
  return `${Math.floor(whole / DAY)} d ${Math.floor((whole % DAY) / HOUR)} h`;
}

/** How long ago something was, in words. */
export function formatAgo(time: number, now: number): string {
  const seconds = Math.max(0, (now - time) / 1000);
  if (seconds < 5) {
    return "now";
  }
  if (seconds < MINUTE) {
    return `${Math.round(seconds)} s ago`;
  }
  if (seconds < HOUR) {
    return `${Math.round(seconds / MINUTE)} min ago`;
  }
  return seconds < DAY ? `${Math.round(seconds / HOUR)} h ago` : new Date(time).toLocaleDateString("en-CA");
}

/** Time of the day, to the second. */
export function formatTime(time: number): string {
  return new Date(time).toLocaleTimeString("en-GB");
}

/** Date and time. */
export function formatDate(time: number): string {
  return `${new Date(time).toLocaleDateString("en-CA")} ${formatTime(time)}`;
}

/** Bytes in units of 1000. */
export function formatBytes(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let size = bytes;
  let unit = 0;
  while (size >= 1000 && unit < units.length - 1) {
    size /= 1000;
    unit += 1;
  }
  return `${size >= 100 || unit === 0 ? Math.round(size) : size.toFixed(1)} ${units[unit] ?? ""}`;
}
