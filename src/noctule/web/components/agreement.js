// What is true beside what is sensed: now, and as two bands over the last minute.

import { subscribe } from "noctule/live.js";
import { whenThemeChanges } from "noctule/colours.js";

const SECONDS = 60;
const EVERY_MS = 200;
const DOES = { major: "walks about", minor: "moves a little", none: "is still" };
const MOTION = { major: "major motion", minor: "minor motion", none: "no motion" };

export default {
  template: `
    <div data-testid="agreement" :data-truth="truth?.presence" :data-sensed="record?.presence">
      <div class="v-two">
        <div class="v-side" :data-somebody="!!truth?.presence">
          <h3>True</h3><b>{{ who }}</b><p>{{ where }}</p><p v-if="also">{{ also }}</p>
        </div>
        <div class="v-side" :data-somebody="!!record?.presence" role="status">
          <h3>Sensed</h3><b>{{ sensed }}</b><p>{{ motion }}</p><p>{{ why }}</p>
        </div>
      </div>
      <div class="v-strip" role="img" :aria-label="'agreed ' + share + ' percent of the last minute'">
        <span>true</span><canvas ref="true"></canvas>
        <span>sensed</span><canvas ref="sensed"></canvas>
      </div>
      <p class="v-note">The last minute; agreed {{ share }} % of it. Nobody is said {{ off_s }} s after the last motion.</p>
    </div>`,
  props: { off_s: Number },
  data() {
    return { truth: null, record: null, share: 100 };
  },
  computed: {
    inside() {
      return this.truth?.people.filter((one) => one.inside) ?? [];
    },
    who() {
      if (!this.truth) return "...";
      return this.inside.length ? this.inside.map((one) => `${one.name} ${DOES[one.motion]}`).join(", ") : "Nobody";
    },
    where() {
      return this.inside.map((one) => `${one.range_m.toFixed(1)} m away, ${speed(one.radial_mps)}`).join(", ");
    },
    also() {
      if (!this.truth) return "";
      const others = [...this.truth.moving, ...(this.truth.music ? ["music"] : [])];
      return others.length ? `also: ${others.join(", ")}` : "";
    },
    sensed() {
      if (!this.record) return "...";
      if (this.record.fault) return this.record.fault.replaceAll("_", " ");
      return this.record.presence ? "Somebody" : "Nobody";
    },
    motion() {
      if (!this.record) return "";
      const moves = this.record.motion !== "none";
      return MOTION[this.record.motion] + (moves ? `, ${speed(this.record.radial_velocity_mps)}` : "");
    },
    why() {
      return this.record?.reason ?? "";
    },
  },
  mounted() {
    this.past = []; // [truth, sensed], oldest first
    this.newest = null;
    this.leave = subscribe({ stage: ({ truth }) => (this.truth = truth), record: (record) => (this.newest = record) });
    this.clock = setInterval(this.look, EVERY_MS);
    this.forget = whenThemeChanges(this.draw);
  },
  unmounted() {
    this.leave();
    this.forget();
    clearInterval(this.clock);
  },
  methods: {
    look() {
      this.record = this.newest;
      if (!this.truth || !this.record) return;
      this.past.push([this.truth.presence, this.record.presence]);
      if (this.past.length > (1000 * SECONDS) / EVERY_MS) this.past.shift();
      this.share = Math.round((100 * this.past.filter(([a, b]) => a === b).length) / this.past.length);
      this.draw();
    },
    draw() {
      const colour = getComputedStyle(document.body).getPropertyValue("--n-accent");
      for (const [n, name] of ["true", "sensed"].entries()) {
        const canvas = this.$refs[name];
        canvas.width = (1000 * SECONDS) / EVERY_MS;
        canvas.height = 1;
        const pen = canvas.getContext("2d");
        pen.fillStyle = colour;
        const first = canvas.width - this.past.length;
        for (const [at, states] of this.past.entries()) if (states[n]) pen.fillRect(first + at, 0, 1, 1);
      }
    },
  },
};

function speed(mps) {
  if (Math.abs(mps) < 0.05) return "going nowhere";
  return `${Math.abs(mps).toFixed(1)} m/s ${mps > 0 ? "nearer" : "away"}`;
}
