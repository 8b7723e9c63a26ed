// What happened, newest first, page by page; each with what the sensor saw, and a way to say what it really was.

import { KINDS, clock, day, lasted, midnight, sentence, velocity } from "noctule/words.js";
import { picture } from "noctule/picture.js";
import { whenThemeChanges } from "noctule/colours.js";

const FILTERS = { all: "All", unlabelled: "Not labelled", false: "False alarms" };
const LABELS = { me: "me", nobody: "nobody", fan: "fan", curtain: "curtain", pet: "pet", other: "something else" };
const EMPTY = {
  all: "Nothing happened yet. Walk past the sensor.",
  unlabelled: "Everything has a label. Thank you.",
  false: "No false alarms. Where something was none of you, say so: it helps the next model.",
};
// An event is told first and written then.
const AGAIN_MS = 2000;
// A capture holds the seconds after the event too.
const WRITTEN_WITHIN_MS = 30_000;

export default {
  template: `
    <div class="e-events" data-testid="events">
      <div class="e-filters" role="group" aria-label="which events">
        <button v-for="(words, name) in filters" class="e-chip" :aria-pressed="only === name" :data-testid="'only-' + name" @click="filter(name)">{{ words }}</button>
        <button v-if="within" class="e-chip e-day" data-testid="any-day" :aria-label="'only ' + dayName(within.start_ms) + ': show all days'" @click="$emit('any')">{{ dayName(within.start_ms) }} &times;</button>
      </div>
      <button v-if="from" class="e-chip" data-testid="newer" @click="newest">Show what came later</button>
      <p v-if="trouble" class="n-note trouble">{{ trouble }}</p>
      <p v-if="!events.length" class="n-empty" data-testid="no-events">{{ waiting ? "Looking\u2026" : nothing }}</p>
      <div v-for="(one, i) in events" :key="one.id" v-memo="[one, one.label, heads(i), marked === one.id, thanked === one.id, large === one.id, one.capture && pictures[one.capture]]">
        <h3 v-if="heads(i)" class="e-date">{{ dayName(start(one)) }}</h3>
        <article class="e-event" :class="{ marked: one.id === marked }" :id="'event-' + one.id" :data-id="one.id" data-testid="event">
          <header>
            <i class="w-kind" :data-kind="one.kind"></i>
            <h4>{{ kinds[one.kind] }}<small v-if="length(one)">{{ length(one) }}</small></h4>
            <time>{{ time(one) }}</time>
          </header>
          <button v-if="one.capture && pictures[one.capture] !== null" class="e-picture" :class="{ large: large === one.id }" :aria-label="'what the sensor saw, larger or smaller'" @click="enlarge(one)">
            <canvas :ref="(canvas) => watch(one, canvas)" data-testid="picture" :data-ready="Boolean(pictures[one.capture])"></canvas>
          </button>
          <p v-else class="e-none">No capture kept</p>
          <div class="e-thought">
            <p>{{ reason(one) }}</p>
            <p class="e-numbers">{{ numbers(one) }}</p>
          </div>
          <div class="e-labels" role="group" aria-label="that was">
            <span>That was:</span>
            <button v-for="(words, what) in labels" class="e-chip" :aria-pressed="one.label === what" :data-testid="'label-' + what" @click="say(one, what)">{{ words }}</button>
            <span v-if="thanked === one.id" class="e-thanks" role="status" data-testid="thanks">{{ one.label ? "Thank you." : "Taken back." }}
              <button v-if="one.label" class="e-undo" data-testid="undo" @click="undo(one)">Undo</button></span>
          </div>
        </article>
      </div>
      <button v-if="more" class="d-earlier" data-testid="more" @click="ask(last())">Show more</button>
    </div>`,
  props: { within: Object, at_ms: Number, waits: Boolean },
  data() {
    return {
      filters: FILTERS, labels: LABELS, kinds: KINDS,
      only: "all", events: [], more: false, waiting: true, trouble: "",
      pictures: {}, large: null, thanked: null, from: null, marked: null,
    };
  },
  computed: {
    nothing() {
      return this.within && this.only === "all" ? "Nothing happened that day." : EMPTY[this.only];
    },
  },
  watch: {
    within() {
      this.begin(this.at_ms);
      if (this.at_ms) this.$el.scrollIntoView({ behavior: "smooth" });
    },
  },
  mounted() {
    this.asked = 0;
    this.again = null;
    this.canvases = new Map();
    this.watcher = new IntersectionObserver((seen) => seen.forEach(this.seen), { rootMargin: "200px" });
    this.leave = whenThemeChanges(() => this.paint());
    this.resizer = new ResizeObserver(() => this.paint());
    this.resizer.observe(this.$el);
    if (!this.waits) this.begin(null);
  },
  unmounted() {
    this.watcher.disconnect();
    this.resizer.disconnect();
    this.leave();
    clearTimeout(this.again);
  },
  methods: {
    /** Anew, from the newest or from a moment down. */
    begin(at) {
      this.events = [];
      this.waiting = true;
      this.thanked = null;
      this.from = at || null;
      this.ask(at ? [at, 0] : null);
    },
    /** From the server: begin at this event. */
    find(id, startMs) {
      this.marked = id;
      this.begin(startMs + 1);
    },
    newest() {
      this.begin(null);
    },
    filter(name) {
      this.only = name;
      this.begin(null);
    },
    ask(before) {
      this.$emit("ask", { number: ++this.asked, only: this.only, before, within: this.within ?? null });
    },
    last() {
      const one = this.events.at(-1);
      return [this.start(one), one.id];
    },
    /** From the server: an answer to question `number`; an older one came too late. */
    take(number, events, more, first) {
      if (number !== this.asked) return;
      const known = new Set(events.map((one) => one.id));
      const kept = this.events.filter((one) => !known.has(one.id));
      const meets = events.length === 0 || kept.length < this.events.length || !first;
      this.events = [...(meets ? kept : []), ...events].sort((a, b) => this.start(b) - this.start(a) || b.id - a.id);
      if (!first || !meets || kept.length === 0) this.more = more;
      this.waiting = false;
      this.trouble = "";
      this.$nextTick(this.paint);
    },
    fail(words) {
      this.trouble = words;
      this.waiting = false;
    },
    /** Something happened: look at the newest again, but not all the time. */
    changed() {
      if (this.from) return;
      this.onceMore = Boolean(this.again);
      this.again ??= setTimeout(() => {
        this.again = null;
        if (!document.hidden) this.ask(null);
        if (this.onceMore) this.changed();
      }, AGAIN_MS);
    },
    say(one, what) {
      if (one.label === what) return;
      this.saidBefore = one.label;
      this.put(one, what);
    },
    undo(one) {
      this.put(one, this.saidBefore);
    },
    put(one, what) {
      one.label = what;
      this.thanked = null;
      this.$emit("label", { id: one.id, what });
    },
    /** From the server: it is on disk, or why not. */
    labelled(id, what, trouble) {
      if (trouble) this.trouble = trouble;
      else this.thanked = id;
    },
    watch(one, canvas) {
      if (!canvas) {
        this.canvases?.delete(one.id);
      } else if (this.canvases && this.canvases.get(one.id) !== canvas) {
        this.canvases.set(one.id, canvas);
        canvas.dataset.capture = one.capture;
        this.watcher.observe(canvas);
      }
    },
    seen({ isIntersecting, target }) {
      const name = target.dataset.capture;
      if (!isIntersecting) return;
      this.watcher.unobserve(target);
      if (name in this.pictures) return;
      this.pictures[name] = undefined;
      this.$emit("picture", { name });
    },
    /** From the server: what was kept around some events; null: it is gone. */
    show(name, what) {
      const made = this.events.find((one) => one.capture === name);
      if (!what && made && Date.now() - this.start(made) < WRITTEN_WITHIN_MS) {
        setTimeout(() => this.$emit("picture", { name }), AGAIN_MS);
        return;
      }
      this.pictures[name] = what && { ...what, power: Uint8Array.from(atob(what.power), (c) => c.charCodeAt(0)) };
      this.$nextTick(this.paint);
    },
    enlarge(one) {
      this.large = this.large === one.id ? null : one.id;
      this.$nextTick(this.paint);
    },
    paint() {
      for (const one of this.events) {
        const [canvas, what] = [this.canvases.get(one.id), this.pictures[one.capture]];
        if (canvas && what) picture(canvas, what, getComputedStyle(this.$el).getPropertyValue("--n-ink"));
      }
    },
    start(one) {
      return Date.parse(one.start);
    },
    dayOf(one) {
      return midnight(this.start(one));
    },
    /** The first of its day in the list. */
    heads(i) {
      return i === 0 || this.start(this.events[i]) < this.dayOf(this.events[i - 1]);
    },
    dayName(ms) {
      return day(ms);
    },
    time(one) {
      return clock(this.start(one), true);
    },
    length(one) {
      if (one.ongoing) return "goes on";
      const ms = Date.parse(one.end) - this.start(one);
      return ms > 0 ? `for ${lasted(ms)}` : "";
    },
    reason(one) {
      return `The sensor: ${sentence(one.reason)}.`;
    },
    numbers(one) {
      const percent = (score) => `${Math.round(100 * score)} %`;
      const parts = [`moving about ${percent(one.peak_score_major)}, a little ${percent(one.peak_score_minor)}`];
      const speed = velocity(one.radial_velocity_mps);
      return [speed && `fastest ${speed}`, ...parts].filter(Boolean).join(" \u00b7 ");
    },
  },
};
