// Velocity over time: newest at the right, what comes nearer above, what goes away below.

import { subscribe } from "noctule/live.js";
import { gradient, powerColours, whenThemeChanges } from "noctule/colours.js";
import { hatch } from "noctule/hatch.js";
import { Rhythm } from "noctule/rhythm.js";
import { BLIND, KNOWN, MAJOR, MINOR, PRESENCE, Ring } from "noctule/ring.js";

const LEFT = 34;
const BOTTOM = 22;
const STRIP = 7; // one for presence, one for motion, and a gap above each
const GAP = 3;
const STATES = { connecting: "Connecting", quiet: "The sensor says nothing", lost: "Reconnecting" };

export default {
  template: `
    <div class="w-waterfall" data-testid="waterfall" :data-state="state">
      <div class="w-plot" role="img" :aria-label="spoken">
        <canvas ref="rows"></canvas>
        <canvas ref="axes"></canvas>
        <div v-if="state !== 'live'" class="w-veil" role="status">{{ words }}</div>
      </div>
      <div class="w-legend">
        <span>quiet <i :style="{ background: scale }"></i> strong</span>
        <span><i class="w-somebody"></i> somebody is here</span>
        <span><i class="w-minor"></i><i class="w-major"></i> minor, major motion</span>
        <span><i class="w-blind"></i> nobody looked</span>
      </div>
    </div>`,
  props: {
    velocity_max: Number,
    bins: Number,
    hop_s: Number,
    lowest_db: Number,
    step_db: Number,
    seconds: { type: Number, default: 30 },
    shown: { type: Number, default: 3 },
  },
  data() {
    return { state: "connecting", scale: gradient() };
  },
  computed: {
    words() {
      return STATES[this.state];
    },
    spoken() {
      return `Waterfall of the last ${this.seconds} seconds: velocity of what moves, up to ${this.shown} metres a second`;
    },
  },
  mounted() {
    // plain fields: Vue need not watch pixels
    this.ring = new Ring(Math.round(this.seconds / this.hop_s), this.bins, this.colours());
    this.rhythm = new Rhythm(this.ring, this.hop_s);
    this.counts = window.__noctuleRows = { received: 0, drawn: 0, lost: 0, frames: 0 };
    this.asked = null;
    this.visible = true;
    this.resizer = new ResizeObserver(() => this.fit());
    this.resizer.observe(this.$refs.rows.parentElement);
    this.watcher = new IntersectionObserver(([one]) => {
      this.visible = one.isIntersecting;
      this.ask();
    });
    this.watcher.observe(this.$el);
    this.leave = [
      subscribe({
        row: (timeS, power) => {
          this.rhythm.row(timeS, power);
          this.ask();
        },
        record: (record) => {
          this.rhythm.record(record);
          this.ask();
        },
        past: (run) => this.rhythm.past(run),
        pastRow: (timeS, power) => this.rhythm.pastRow(timeS, power),
        pastRecord: (record) => {
          this.rhythm.pastRecord(record);
          this.ask();
        },
        state: (state) => (this.state = state),
      }),
      whenThemeChanges(() => {
        this.scale = gradient();
        this.ring.recolour(this.colours());
        this.fit();
      }),
    ];
    document.addEventListener("visibilitychange", this.ask);
    this.fit();
  },
  unmounted() {
    this.leave.forEach((leave) => leave());
    this.resizer.disconnect();
    this.watcher.disconnect();
    document.removeEventListener("visibilitychange", this.ask);
    cancelAnimationFrame(this.asked);
  },
  methods: {
    colours() {
      return powerColours(this.lowest_db, this.step_db);
    },
    /** Draw soon: with the next picture of the screen, and only where somebody sees it. */
    ask() {
      if (this.asked === null && this.visible && !document.hidden) this.asked = requestAnimationFrame(this.draw);
    },
    fit() {
      const { clientWidth, clientHeight } = this.$refs.rows.parentElement;
      const scale = (this.pixel = window.devicePixelRatio || 1);
      for (const canvas of [this.$refs.rows, this.$refs.axes]) {
        canvas.width = Math.round(clientWidth * scale);
        canvas.height = Math.round(clientHeight * scale);
      }
      const style = getComputedStyle(this.$el);
      this.inks = Object.fromEntries(
        ["ink", "soft", "line", "accent", "absent", "faint"].map((name) => [name, style.getPropertyValue(`--n-${name}`)]),
      );
      const left = Math.round(LEFT * scale);
      const height = Math.round((clientHeight - BOTTOM - 2 * (STRIP + GAP)) * scale);
      this.box = { left, width: this.$refs.rows.width - left, height };
      this.pattern = hatch(this.$refs.rows.getContext("2d"), this.inks.line, scale);
      this.drawAxes();
      this.ask();
    },
    draw() {
      this.asked = null;
      const context = this.$refs.rows.getContext("2d");
      const { left, width, height } = this.box;
      context.clearRect(0, 0, context.canvas.width, context.canvas.height);
      this.drawMarks(context);
      const count = Math.round((this.bins * this.shown) / this.velocity_max);
      this.ring.draw(context, Math.round((this.bins - count) / 2), count, left, 0, width, height);
      this.drawChanges(context);
      this.tell();
    },
    /** Strips below the rows: who was here, what moved; hatched where nobody looked. */
    drawMarks(context) {
      const { left, width, height } = this.box;
      const scale = width / this.ring.columns;
      const [strip, gap] = [STRIP * this.pixel, GAP * this.pixel];
      this.changes = [];
      let before = null;
      const bar = (colour, first, end, top, tall) => {
        const [from, to] = [Math.round(first * scale), Math.round(end * scale)]; // whole pixels: no seams
        context.fillStyle = colour;
        context.fillRect(left + from, top, to - from, tall);
      };
      this.ring.runs((first, end, marks) => {
        if (!(marks & KNOWN)) return;
        if (marks & BLIND) bar(this.pattern, first, end, 0, height);
        bar(marks & PRESENCE ? this.inks.accent : this.inks.line, first, end, height + gap, strip);
        if (marks & MAJOR) bar(this.inks.ink, first, end, height + 2 * gap + strip, strip);
        else if (marks & MINOR) bar(this.inks.faint, first, end, height + 2 * gap + strip, strip);
        const presence = Boolean(marks & PRESENCE);
        if (before !== null && presence !== before) this.changes.push([left + first * scale, presence]);
        before = presence;
      });
    },
    drawChanges(context) {
      context.font = `600 ${12 * this.pixel}px system-ui, sans-serif`;
      context.textBaseline = "bottom";
      context.textAlign = "left";
      let end = context.canvas.width;
      for (const [x, presence] of this.changes.reverse()) {
        context.fillStyle = presence ? this.inks.accent : this.inks.absent;
        context.fillRect(Math.round(x - this.pixel), 0, 2 * this.pixel, this.box.height + (STRIP + GAP) * this.pixel);
        const text = presence ? "somebody" : "nobody";
        const fits = x + context.measureText(text).width + 8 * this.pixel < end;
        if (fits) context.fillText(text, x + 5 * this.pixel, this.box.height - 6 * this.pixel);
        end = x;
      }
    },
    drawAxes() {
      const context = this.$refs.axes.getContext("2d");
      const { left, width, height } = this.box;
      const px = this.pixel;
      context.font = `${12 * px}px system-ui, sans-serif`;
      context.textAlign = "right";
      for (let mps = -this.shown; mps <= this.shown; mps++) {
        const y = (height / 2) * (1 - mps / this.shown);
        context.fillStyle = this.inks.soft;
        context.textBaseline = mps === this.shown ? "top" : mps === -this.shown ? "bottom" : "middle";
        context.fillText(mps > 0 ? `+${mps}` : `${mps}`.replace("-", "\u2212"), left - 6 * px, y);
        context.globalAlpha = mps === 0 ? 0.5 : 0.18;
        context.fillStyle = this.inks.soft;
        context.fillRect(left, Math.round(y), width, Math.max(1, Math.round(px / 2)));
        context.globalAlpha = 1;
      }
      context.fillStyle = this.inks.soft;
      context.textBaseline = "bottom";
      const base = context.canvas.height - 2 * px;
      for (let ago = 0; ago <= this.seconds; ago += 10) {
        const x = left + width * (1 - ago / this.seconds);
        context.textAlign = ago === 0 ? "right" : ago === this.seconds ? "left" : "center";
        context.fillText(ago === 0 ? "now" : `${ago} s ago`, x, base);
      }
      this.label(context, "\u2191 comes nearer, m/s", 6 * px, "top");
      this.label(context, "\u2193 goes away, m/s", height - 6 * px, "bottom");
    },
    label(context, text, y, baseline) {
      const px = this.pixel;
      context.textAlign = "left";
      context.textBaseline = baseline;
      context.font = `600 ${12 * px}px system-ui, sans-serif`;
      context.fillStyle = this.inks.soft;
      context.fillText(text, this.box.left + 8 * px, y);
    },
    /** For whoever measures. */
    tell() {
      const counts = this.counts;
      counts.received = counts.drawn = this.rhythm.received;
      counts.lost = this.rhythm.lost;
      counts.frames += 1;
      this.$el.dataset.rows = counts.drawn;
      this.$el.dataset.lost = counts.lost;
    },
  },
};
