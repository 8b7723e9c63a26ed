// Twenty records a second, made readable: at most five times a second, peaks kept, what matters at once.

const EVERY_MS = 200;
// A frame of motion is seen for so long, and what somebody did is what they did in so many seconds.
const SEEN_S = 0.6;
const DOING_S = 3;
// Of the mean of what music was taken off, s.
const MUSIC_S = 2;

const RANK = { none: 0, minor: 1, major: 2 };

/** Tells `show(view)` what to show. */
export class Readings {
  constructor(show) {
    this._show = show;
    this._at = { minor: -Infinity, major: -Infinity };
    this._velocity = 0;
    this._music = 0;
    this._before = null;
    this._peaks = [0, 0];
    this._shownAt = -Infinity;
  }

  take(record) {
    const before = this._before ?? record;
    const began = record.t < before.t; // the stream began anew
    if (began) this._at = { minor: -Infinity, major: -Infinity };
    if (record.motion !== "none") {
      this._at[record.motion] = record.t;
      this._velocity = record.radial_velocity_mps;
    }
    const step = Math.min(Math.max(record.t - before.t, 0), 1) / MUSIC_S;
    this._music += Math.min(step, 1) * (record.distortion_removed_db - this._music);
    this._peaks = [Math.max(this._peaks[0], record.score_major), Math.max(this._peaks[1], record.score_minor)];
    const first = this._before === null;
    const changed = record.presence !== before.presence || record.fault !== before.fault;
    this._before = record;
    const now = performance.now();
    if (first || changed || now - this._shownAt >= EVERY_MS) this._tell(record, now);
  }

  _tell(record, now) {
    this._shownAt = now;
    const [major, minor] = this._peaks;
    this._peaks = [0, 0];
    const motion = record.fault && record.motion === "none" ? "none" : this._latest(record, SEEN_S);
    this._show({
      record,
      motion,
      doing: this._latest(record, DOING_S),
      velocity: motion === "none" ? 0 : this._velocity,
      major,
      minor,
      music: this._music,
    });
  }

  _latest(record, within) {
    const names = Object.keys(this._at).filter((name) => record.t - this._at[name] <= within);
    return names.reduce((most, name) => (RANK[name] > RANK[most] ? name : most), "none");
  }
}
