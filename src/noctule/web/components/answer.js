// The answer, large: who is here, why, since when, and what moves now.

import { subscribe } from "noctule/live.js";
import { Readings } from "noctule/readings.js";
import { clock, lasted, moment, sentence, velocity } from "noctule/words.js";

const DOING = { none: "sitting still", minor: "moving a little", major: "moving about" };
const JUST_MS = 10_000;
const STEPS = ["none", "minor", "major"];

export default {
  template: `
    <section class="n-card w-answer" :data-mood="mood" :data-connection="state" data-testid="answer" aria-label="the answer">
      <div class="w-said">
        <i class="n-dot"></i>
        <p class="w-headline" role="status" data-testid="headline">{{ headline }}</p>
        <span v-if="state === 'lost'" class="n-chip warning" data-testid="reconnecting">reconnecting</span>
      </div>
      <p class="w-why" data-testid="why">{{ why }}</p>
      <p v-if="beside" class="w-beside">{{ beside }}</p>
      <p v-if="careful" class="n-note warning" data-testid="careful">{{ careful }}</p>
      <button v-if="mood === 'muted'" class="w-button" data-testid="listen" @click="$emit('listen')">Listen again</button>
      <div v-if="senses" class="w-motion" data-testid="motion" :data-motion="view.motion">
        <span class="w-name">Motion now</span>
        <span class="w-steps"><b v-for="step in steps" :class="{ on: step === view.motion }">{{ step }}</b></span>
        <span class="w-velocity" data-testid="velocity"><i v-if="speed" aria-hidden="true">{{ view.velocity > 0 ? "\u2193" : "\u2191" }}</i>{{ speed }}</span>
      </div>
    </section>`,
  props: { faults: Object, since: Object, waiting: String, muted: Boolean },
  data() {
    return { state: "connecting", view: null, turned: null, now: Date.now(), steps: STEPS };
  },
  computed: {
    record() {
      return this.view?.record ?? null;
    },
    blocked() {
      const fault = this.record && this.faults[this.record.fault];
      return fault?.blocking ? fault : null;
    },
    mood() {
      if (this.record ? this.record.fault === "muted" : this.muted) return "muted";
      if (!this.record) return "starting";
      if (this.state !== "live" || this.blocked) return "trouble";
      return this.record.presence ? "present" : "absent";
    },
    senses() {
      return this.mood === "present" || this.mood === "absent";
    },
    /** When it began to be as it is, ms: seen here, or remembered. */
    began() {
      if (this.turned) return this.turned;
      return this.record && this.since?.presence === this.record.presence ? this.since.at_ms : null;
    },
    headline() {
      if (this.mood === "muted") return "Muted";
      if (this.mood === "starting") return "Waiting for the first answer";
      if (this.state === "lost") return "No connection to the sensor";
      if (this.state !== "live") return "Cannot sense: the sensor says nothing";
      if (this.blocked) return `Cannot sense: ${this.blocked.words}`;
      if (this.mood === "absent") return this.began ? `Nobody since ${moment(this.began, this.now)}` : "Nobody is here";
      return this.record.emitting ? `Somebody is here, ${DOING[this.view.doing]}` : "Somebody is here";
    },
    why() {
      if (this.mood === "muted") return "Nothing sounds and nothing is heard, because somebody wants it so.";
      if (this.mood === "starting") return sentence(this.waiting);
      if (this.mood === "trouble") return this.blocked && this.state === "live" ? this.blocked.fix : "It is tried again by itself.";
      return `${sentence(this.record.reason)}.`;
    },
    beside() {
      if (this.mood === "trouble") {
        const known = this.record.presence ? "somebody was here" : "nobody was here";
        return `Known last: ${known}, at ${clock(Date.parse(this.record.time), true)}.`;
      }
      if (!this.senses || !this.began) return "";
      const ms = this.now - this.began;
      const length = ms < JUST_MS ? "just now" : `for ${lasted(ms)}`;
      return this.mood === "present" ? `since ${moment(this.began, this.now)}, ${length}` : length;
    },
    careful() {
      const fault = this.senses && this.faults[this.record.fault];
      return fault ? `Careful: ${fault.words}. ${fault.fix}` : "";
    },
    speed() {
      return velocity(this.view.velocity);
    },
  },
  mounted() {
    const readings = new Readings(this.show);
    this.leave = subscribe({ record: (record) => readings.take(record), state: (state) => (this.state = state) });
    this.clock = setInterval(() => (this.now = Date.now()), 1000);
  },
  unmounted() {
    this.leave();
    clearInterval(this.clock);
  },
  methods: {
    show(view) {
      const { presence, time } = view.record;
      if (this.view !== null && presence !== this.view.record.presence) this.turned = Date.parse(time);
      this.view = view;
    },
  },
};
