// How sure the detector is, as two bars; what it has to reach is marked.

import { subscribe } from "noctule/live.js";
import { Readings } from "noctule/readings.js";

const BARS = [
  { name: "major", words: "Moving about" },
  { name: "minor", words: "Moving a little" },
];

export default {
  template: `
    <div class="w-scores" data-testid="scores">
      <div v-for="bar in bars" class="w-score" role="meter" aria-valuemin="0" aria-valuemax="100"
           :aria-label="bar.words" :aria-valuenow="percent(bar)" :data-testid="'score-' + bar.name">
        <span>{{ bar.words }}</span><b>{{ percent(bar) }} %</b>
        <div class="w-track">
          <i class="w-fill" :class="{ over: value(bar) >= needed }" :style="{ transform: 'scaleX(' + value(bar) + ')' }"></i>
          <i class="w-mark w-trigger" :style="{ left: 100 * trigger + '%' }"></i>
          <i class="w-mark w-sustain" :style="{ left: 100 * sustain + '%' }"></i>
        </div>
      </div>
      <p class="w-key">
        <span><i class="w-mark w-trigger"></i> trigger {{ Math.round(100 * trigger) }} %: whoever comes has to reach it</span>
        <span><i class="w-mark w-sustain"></i> sustain {{ Math.round(100 * sustain) }} %: enough right after somebody moved about</span>
      </p>
    </div>`,
  props: { trigger: Number, sustain: Number },
  data() {
    return { view: null, bars: BARS };
  },
  computed: {
    needed() {
      return this.view?.record.presence ? Math.min(this.sustain, this.trigger) : this.trigger;
    },
  },
  mounted() {
    const readings = new Readings((view) => (this.view = view));
    this.leave = subscribe({ record: (record) => readings.take(record) });
  },
  unmounted() {
    this.leave();
  },
  methods: {
    value(bar) {
      return this.view?.[bar.name] ?? 0;
    },
    percent(bar) {
      return Math.round(100 * this.value(bar));
    },
  },
};
