// Moments, lengths and reasons, as a person says them. Times are the browser's own.

const HOUR = { hour: "2-digit", minute: "2-digit" };
const SECOND = { ...HOUR, second: "2-digit" };
const DAY = { weekday: "short", day: "numeric", month: "short" };

export const KINDS = {
  entered: "Somebody came",
  left: "Left: nobody any more",
  major: "Moved about",
  minor: "Moved a little",
};

export function clock(ms, seconds = false) {
  return new Date(ms).toLocaleTimeString("en-GB", seconds ? SECOND : HOUR);
}

/** "Today", "Yesterday", "Mon 30 Nov"; with the year where it is another one. */
export function day(ms, nowMs = Date.now()) {
  const one = new Date(ms);
  const back = Math.round((midnight(nowMs) - midnight(ms)) / 86_400_000);
  if (back === 0) return "Today";
  if (back === 1) return "Yesterday";
  const other = one.getFullYear() !== new Date(nowMs).getFullYear();
  return one.toLocaleDateString("en-GB", other ? { ...DAY, year: "numeric" } : DAY).replaceAll(",", "");
}

/** "14:03" today, "yesterday 14:03", "Mon 30 Nov 14:03". */
export function moment(ms, nowMs = Date.now()) {
  const name = day(ms, nowMs);
  if (name === "Today") return clock(ms);
  return `${name === "Yesterday" ? "yesterday" : name} ${clock(ms)}`;
}

/** The midnight at which the day of a moment began, ms. */
export function midnight(ms) {
  const one = new Date(ms);
  return new Date(one.getFullYear(), one.getMonth(), one.getDate()).getTime();
}

export function lasted(ms) {
  const s = ms / 1000;
  if (s < 9.95) return `${s.toFixed(1)} s`;
  if (s < 89.5) return `${Math.round(s)} s`;
  const minutes = Math.round(s / 60);
  if (minutes < 120) return `${minutes} min`;
  const [hours, rest] = [Math.floor(minutes / 60), minutes % 60];
  return hours < 48 ? `${hours} h${rest ? ` ${rest} min` : ""}` : `${Math.round(hours / 24)} days`;
}

/** "comes nearer at 0.7 m/s"; nothing for what neither comes nor goes. */
export function velocity(mps) {
  const speed = Math.abs(mps).toFixed(1);
  if (speed === "0.0") return "";
  return `${mps > 0 ? "comes nearer" : "goes away"} at ${speed} m/s`;
}

/** The reason of a record as a sentence; long times in minutes. */
export function sentence(reason) {
  const text = reason
    .replace(/\b(\d{2,}) s\b/g, (_, s) => lasted(1000 * s))
    .replace(/ at [+-]0\.0 m\/s/, "")
    .replace(/at ([+-])(\d+\.\d) m\/s/, (_, sign, mps) => `${sign === "+" ? "coming nearer" : "going away"} at ${mps} m/s`)
    .replace(/^nobody: /, "")
    .replace(/^unavailable: /, "")
    .replace(/^held: /, "still here: ")
    .replace(/^silent: /, "silent on purpose, ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}
