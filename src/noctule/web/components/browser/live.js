// What the sensor says, as it says it: one WebSocket for all parts of a page.
//
// A listener has any of: record(body), row(timeS, power), stage(body), lost(count), state(name). The states:
// "connecting", "live", "quiet" (connected, and nothing comes), "lost" (tries again by itself).
//
// One that has past(run) also hears what was before it was there, as pastRecord(body) and pastRow(timeS, power);
// after each connection, so some of it again. Times of the same run of the program can be compared.

const KINDS = "row,record,stage";
const PAST_S = 30;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 5000;
// The sensor gives 20 records a second, whatever happens to it.
const QUIET_AFTER_MS = 2500;
const GIVE_UP_AFTER_MS = 10000;

const listeners = new Set();
let socket = null;
let pauseMs = FIRST_PAUSE_MS;
let heardAt = 0;
let state = "connecting";
let watch = null;
let again = null;
let ofThePast = 0; // messages to come

/** Hear what the sensor says until the function that comes back is called. */
export function subscribe(listener) {
  listeners.add(listener);
  listener.state?.(state);
  // later: the page says where it lives (window.path_prefix) once all of its parts are there
  if (listeners.size === 1) setTimeout(start, 0);
  else if (listener.past && socket !== null) connect(); // it came later than the past did
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) end();
  };
}

function start() {
  if (watch !== null || listeners.size === 0) return;
  watch = setInterval(look, 500);
  document.addEventListener("visibilitychange", hurry);
  connect();
}

function end() {
  clearInterval(watch);
  clearTimeout(again);
  watch = again = null;
  document.removeEventListener("visibilitychange", hurry);
  drop();
}

function connect() {
  again = null;
  drop();
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  const past = [...listeners].some((one) => one.past) ? `&past_s=${PAST_S}` : "";
  socket = new WebSocket(`${scheme}//${location.host}${window.path_prefix ?? ""}/api/v1/live?kinds=${KINDS}${past}`);
  socket.binaryType = "arraybuffer";
  socket.onmessage = (message) => hear(message.data);
  socket.onclose = retry;
  heardAt = performance.now();
}

function drop() {
  if (socket === null) return;
  socket.onmessage = socket.onclose = null;
  socket.close();
  socket = null;
  ofThePast = 0;
}

function retry() {
  drop();
  become("lost");
  if (again !== null) return;
  again = setTimeout(connect, pauseMs);
  pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
}

/** Somebody looks again: a phone that slept has lost its connection without a word. */
function hurry() {
  if (document.hidden) return;
  if (again !== null) {
    clearTimeout(again);
    connect();
  }
}

function look() {
  const silentMs = performance.now() - heardAt;
  if (socket === null || silentMs < QUIET_AFTER_MS) return;
  if (silentMs > GIVE_UP_AFTER_MS) retry();
  else if (state === "live") become("quiet");
}

function hear(data) {
  heardAt = performance.now();
  pauseMs = FIRST_PAUSE_MS;
  become("live");
  const isPast = ofThePast > 0;
  if (isPast) ofThePast -= 1;
  if (data instanceof ArrayBuffer) {
    const timeS = new DataView(data).getFloat64(0, true);
    tell(isPast ? "pastRow" : "row", timeS, new Uint8Array(data, 8));
    return;
  }
  const { kind, body } = JSON.parse(data);
  if (kind === "past") {
    ofThePast = body.messages;
    tell("past", body.run);
  } else {
    tell(isPast ? "pastRecord" : kind, body);
  }
}

function become(name) {
  if (state === name) return;
  state = name;
  tell("state", name);
}

function tell(what, ...about) {
  for (const listener of listeners) listener[what]?.(...about);
}
