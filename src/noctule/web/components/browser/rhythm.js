// Where in time a row belongs: gaps stay gaps, and a stream that begins anew is seen.

import { BLIND, KNOWN, MAJOR, MINOR, PRESENCE } from "./ring.js";

// Records without rows: after so long it is clear that nobody looks.
const BLIND_AFTER_S = 0.3;
// Time that goes back by more is another stream's.
const BEGUN_ANEW_S = 1;
const MOTION = { none: 0, minor: MINOR, major: MAJOR };

/** Puts rows and what records say of them into a ring; counts what was lost on the way. */
export class Rhythm {
  constructor(ring, hopS) {
    this.received = 0;
    this.lost = 0;
    this._ring = ring;
    this._hopS = hopS;
    this._timeS = null; // of the newest column
    this._looked = true; // since then
    this._said = { timeS: -Infinity, presence: 0, motion: 0 }; // by the newest record
    this._run = null;
    this._knownS = -Infinity; // what comes of the past up to then has been drawn
  }

  /** The past of a run of the program follows. */
  past(run) {
    this._knownS = run === this._run ? (this._timeS ?? -Infinity) : -Infinity;
    this._run = run;
  }

  pastRow(timeS, power) {
    if (timeS > this._knownS) this.row(timeS, power);
  }

  pastRecord(record) {
    if (record.t > this._knownS) this.record(record);
  }

  row(timeS, power) {
    const missing = this._missing(timeS);
    if (this._looked) this.lost += missing;
    this._fill(missing);
    const { presence, motion } = this._said;
    this._ring.push(power, KNOWN | presence | (this._meets(timeS) ? motion : 0));
    this.received += 1;
    this._timeS = timeS;
    this._looked = true;
  }

  /** The record of a frame comes right before its row or right after it. */
  record(record) {
    this._said = { timeS: record.t, presence: record.presence ? PRESENCE : 0, motion: MOTION[record.motion] };
    if (this._timeS === null || record.t < this._timeS - BEGUN_ANEW_S) {
      this._timeS = record.t;
      this._ring.push(null, KNOWN | BLIND | this._said.presence);
      return;
    }
    if (record.fault || !record.emitting) this._looked = false;
    if (record.t - this._timeS > BLIND_AFTER_S && !this._looked) {
      this._fill(this._missing(record.t) + 1);
      this._timeS = record.t;
    } else if (this._meets(this._timeS)) {
      this._ring.mark(this._said.presence | this._said.motion);
    }
  }

  _meets(timeS) {
    return Math.abs(this._said.timeS - timeS) < this._hopS / 2;
  }

  _missing(timeS) {
    if (this._timeS === null || timeS < this._timeS) return 0;
    return Math.min(Math.max(Math.round((timeS - this._timeS) / this._hopS) - 1, 0), this._ring.columns);
  }

  _fill(count) {
    for (let i = 0; i < count; i++) this._ring.push(null, KNOWN | BLIND | this._said.presence);
  }
}
