// What the sensor plays and how well it hears it.

import { subscribe } from "noctule/live.js";
import { Readings } from "noctule/readings.js";

// dB: from here on music matters, and no longer below.
const MUSIC_DB = { from: 2, until: 1 };
// The weakest carrier-to-noise ratio (in 10 Hz) for each word.
const CLARITY = [
  [55, "very clear"],
  [40, "clear"],
  [25, "weak: a person far away is missed"],
  [-Infinity, "hardly heard"],
];

export default {
  template: `
    <dl class="n-facts w-sound" data-testid="sound">
      <div class="n-fact"><dt>Tone</dt><dd data-testid="tone">{{ tone }}<small>{{ level }}</small></dd></div>
      <div class="n-fact"><dt>Comes back</dt><dd data-testid="snr">{{ clarity }}<small>{{ snr }}</small></dd></div>
      <div class="n-fact"><dt>On in the last hour</dt><dd data-testid="share">{{ share }}<small>{{ doing }}</small></dd></div>
      <div v-if="music" class="n-fact"><dt>Beside it</dt><dd data-testid="music">Music plays<small>: {{ music }} of it taken off</small></dd></div>
    </dl>`,
  data() {
    return { record: null, music: "" };
  },
  computed: {
    tone() {
      return this.record ? `${(this.record.carrier_hz / 1000).toFixed(1)} kHz` : "\u2013";
    },
    level() {
      return this.record ? ` at ${this.record.level_dbfs.toFixed(0).replace("-", "\u2212")} dBFS` : "";
    },
    heard() {
      return this.record !== null && !this.record.fault && this.record.emitting;
    },
    clarity() {
      return this.heard ? CLARITY.find(([least]) => this.record.carrier_snr_db >= least)[1] : "\u2013";
    },
    snr() {
      return this.heard ? ` ${this.record.carrier_snr_db.toFixed(0)} dB over the noise` : "";
    },
    share() {
      return this.record ? `${Math.round(100 * this.record.emission_share)} %` : "\u2013";
    },
    doing() {
      if (!this.record) return "";
      if (this.record.emitting) return " sounds now";
      const again = /looks again (in \d+ s|now)/.exec(this.record.reason);
      return again ? ` silent on purpose, looks again ${again[1]}` : " silent now";
    },
  },
  mounted() {
    const readings = new Readings(this.show);
    this.leave = subscribe({ record: (record) => readings.take(record) });
  },
  unmounted() {
    this.leave();
  },
  methods: {
    show({ record, music }) {
      this.record = record;
      const matters = music >= (this.music ? MUSIC_DB.until : MUSIC_DB.from);
      this.music = matters ? `${music.toFixed(0)} dB` : "";
    },
  },
};
