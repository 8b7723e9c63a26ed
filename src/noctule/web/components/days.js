// Days as bands, newest on top, in the browser's own time. A click opens a day, a click in it chooses a moment.

import { isDark, whenThemeChanges } from "noctule/colours.js";
import { hatch } from "noctule/hatch.js";
import { clock, day, lasted, midnight } from "noctule/words.js";

const AT_ONCE = 14;
const EVERY_MS = 60_000;
// An event is told first and written then.
const AGAIN_MS = 2000;
// Codes of service/days.py.
const [NOBODY, SOMEBODY, MINOR, MAJOR, BLIND] = [1, 2, 3, 4, 5];
const WORDS = ["not known", "nobody", "somebody here", "somebody moving a little", "somebody moving about", "not sensed"];

export default {
  template: `
    <div class="d-days" data-testid="days">
      <div class="d-hours" aria-hidden="true"><span v-for="hour in [0, 6, 12, 18, 24]" :style="{ left: hour / 0.24 + '%' }">{{ hour }}</span></div>
      <div v-for="one in shown" :key="one.start_ms" v-memo="[one, one.start_ms === chosen, one.start_ms === chosen && pointed]" class="d-day" :class="{ open: one.start_ms === chosen }" data-testid="day">
        <button class="d-row" :aria-expanded="one.start_ms === chosen" :aria-label="spoken(one)" @click="choose(one, $event)">
          <span class="d-name">{{ name(one) }}</span>
          <canvas :ref="(canvas) => keep(one, canvas)" class="d-band"></canvas>
          <span class="d-sum">{{ summary(one) }}</span>
        </button>
        <div v-if="one.start_ms === chosen" class="d-more">
          <div class="d-hours" aria-hidden="true"><span v-for="hour in [0, 6, 12, 18, 24]" :style="{ left: hour / 0.24 + '%' }">{{ hour }}</span></div>
          <canvas ref="zoom" class="d-zoom" data-testid="zoom" role="img" :aria-label="spoken(one)" @pointermove="point" @pointerleave="pointed = ''" @click="pick"></canvas>
          <p class="d-pointed">{{ pointed || "Click a moment to see what happened there." }}</p>
          <ul v-if="gaps(one).length" class="d-gaps" data-testid="gaps">
            <li v-for="gap in gaps(one)"><i class="w-blind"></i>{{ gap }}</li>
          </ul>
        </div>
      </div>
      <p v-if="trouble" class="n-note trouble">{{ trouble }}</p>
      <button v-if="more" class="d-earlier" data-testid="earlier" @click="earlier">Earlier days</button>
      <div class="w-legend">
        <span><i class="w-somebody"></i> somebody is here</span>
        <span><i class="d-minor"></i><i class="d-major"></i> moves a little, about</span>
        <span><i class="w-blind"></i> not sensed</span>
      </div>
    </div>`,
  data() {
    return { days: [], count: AT_ONCE, first: null, chosen: null, pointed: "", trouble: "" };
  },
  computed: {
    edges() {
      const today = new Date();
      const at = (back) => new Date(today.getFullYear(), today.getMonth(), today.getDate() - back).getTime();
      return Array.from({ length: this.count + 1 }, (_, i) => at(this.count - 1 - i));
    },
    shown() {
      return this.days.filter((one) => this.first === null || one.end_ms > this.first).toReversed();
    },
    more() {
      return this.first !== null && this.days.length > 0 && this.first < this.days[0].start_ms;
    },
  },
  watch: {
    days: { handler: "paint", flush: "post" },
    chosen: { handler: "paint", flush: "post" },
  },
  mounted() {
    this.canvases = new Map();
    this.again = null;
    this.ask(this.edges);
    this.timer = setInterval(() => this.refresh(), EVERY_MS);
    this.resizer = new ResizeObserver(() => this.paint());
    this.resizer.observe(this.$el);
    this.leave = whenThemeChanges(() => this.paint());
  },
  unmounted() {
    clearInterval(this.timer);
    clearTimeout(this.again);
    this.resizer.disconnect();
    this.leave();
  },
  methods: {
    ask(edges) {
      this.$emit("ask", { edges });
    },
    /** From the server: days with what was in them, and the first moment of which anything is known. */
    take(days, first) {
      const byStart = new Map(this.days.map((one) => [one.start_ms, one]));
      for (const one of days) byStart.set(one.start_ms, one);
      this.days = [...byStart.values()].sort((a, b) => a.start_ms - b.start_ms);
      this.first = first ?? Date.now();
      this.trouble = "";
    },
    fail(words) {
      this.trouble = words;
    },
    /** Look at today again, and at yesterday, which may just have ended. */
    refresh() {
      if (!document.hidden) this.ask(this.edges.slice(-3));
    },
    /** Something happened. */
    changed() {
      this.again ??= setTimeout(() => {
        this.again = null;
        this.refresh();
      }, AGAIN_MS);
    },
    earlier() {
      const known = this.count;
      this.count += 2 * AT_ONCE;
      this.ask(this.edges.slice(0, this.count - known + 1));
    },
    choose(one) {
      this.chosen = this.chosen === one.start_ms ? null : one.start_ms;
      this.pointed = "";
      this.$emit("day", this.chosen === null ? null : { start_ms: one.start_ms, end_ms: one.end_ms, at_ms: null });
    },
    /** Open the day of a moment, however long ago. */
    open(ms) {
      this.chosen = midnight(ms);
      const back = Math.round((midnight(Date.now()) - this.chosen) / 86_400_000);
      if (back < this.count) return;
      this.count = back + 1;
      this.ask(this.edges);
    },
    /** All days are of interest again. */
    close() {
      this.chosen = null;
    },
    keep(one, canvas) {
      if (canvas) this.canvases?.set(one.start_ms, canvas);
      else this.canvases?.delete(one.start_ms);
    },
    name(one) {
      return day(one.start_ms);
    },
    summary(one) {
      const minutes = Math.round(one.present_ms / 60_000);
      if (minutes < 60) return minutes ? `${minutes} min` : "\u2013";
      return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")}`;
    },
    spoken(one) {
      const here = one.present_ms < 30_000 ? "nobody here" : `somebody here for ${lasted(one.present_ms)}`;
      const blind = one.blind.length ? `, not sensed at times` : "";
      return `${this.name(one)}: ${here}, ${one.events} events${blind}`;
    },
    gaps(one) {
      return one.blind
        .filter(([start, end]) => end - start >= EVERY_MS)
        .map(([start, end, words]) => `${clock(start)}\u2013${clock(end)} not sensed: ${words}`);
    },
    paint() {
      for (const one of this.days) {
        const canvas = this.canvases.get(one.start_ms);
        if (canvas) this.band(canvas, one);
        if (canvas && one.start_ms === this.chosen) this.band(this.$refs.zoom[0], one, 2);
      }
    },
    band(canvas, one, every = 6) {
      const scale = window.devicePixelRatio || 1;
      const [width, height] = [canvas.clientWidth * scale, canvas.clientHeight * scale].map(Math.round);
      if (!width) return;
      if (canvas.width !== width) canvas.width = width;
      if (canvas.height !== height) canvas.height = height;
      const context = canvas.getContext("2d");
      const ink = (name) => getComputedStyle(this.$el).getPropertyValue(name);
      const dark = isDark();
      const fills = {
        [NOBODY]: ink("--n-absent-wash"),
        [SOMEBODY]: dark ? "#8a6530" : "#f3c88b",
        [MINOR]: dark ? "#c98f45" : "#e9a549",
        [MAJOR]: dark ? "#ffd089" : "#b4610a",
        [BLIND]: hatch(context, ink("--n-faint"), scale),
      };
      context.clearRect(0, 0, width, height);
      const x = (ms) => (width * (ms - one.start_ms)) / (one.end_ms - one.start_ms);
      for (const [start, end, code] of one.runs) {
        context.fillStyle = fills[code];
        const left = Math.floor(x(start));
        context.fillRect(left, 0, Math.max(Math.ceil(x(end)) - left, 1), height);
      }
      const begin = new Date(one.start_ms);
      context.fillStyle = ink("--n-card");
      for (let hour = every; hour < 24; hour += every) {
        const at = new Date(begin.getFullYear(), begin.getMonth(), begin.getDate(), hour).getTime();
        context.fillRect(Math.round(x(at)), 0, Math.max(1, scale / 2), height);
      }
    },
    moment(event) {
      const one = this.days.find((some) => some.start_ms === this.chosen);
      const box = event.currentTarget.getBoundingClientRect();
      return [one, one.start_ms + ((event.clientX - box.left) / box.width) * (one.end_ms - one.start_ms)];
    },
    point(event) {
      const [one, ms] = this.moment(event);
      const run = one.runs.find(([start, end]) => start <= ms && ms < end);
      const gap = one.blind.find(([start, end]) => start <= ms && ms < end);
      this.pointed = `${clock(ms)} ${WORDS[run ? run[2] : 0]}${gap ? `: ${gap[2]}` : ""}`;
    },
    pick(event) {
      const [one, ms] = this.moment(event);
      this.$emit("day", { start_ms: one.start_ms, end_ms: one.end_ms, at_ms: Math.round(ms) });
    },
  },
};
