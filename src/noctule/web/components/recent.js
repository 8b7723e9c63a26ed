// The last few events, each a way to the timeline.

import { KINDS, lasted, moment } from "noctule/words.js";

export default {
  template: `
    <div data-testid="recent">
      <p v-if="!events.length" class="n-empty">Nothing happened yet. Walk past the sensor.</p>
      <ul v-else class="w-recent">
        <li v-for="one in shown" :key="one.start + one.kind">
          <a :href="timeline + (one.id ? '?event=' + one.id : '')" data-testid="recent-event">
            <i class="w-kind" :data-kind="one.kind"></i>
            <span class="w-what">{{ one.words }}<small>{{ one.length }}</small></span>
            <span v-if="one.label" class="n-chip">{{ one.label }}</span>
            <time>{{ one.when }}</time>
          </a>
        </li>
      </ul>
    </div>`,
  props: { events: Array, timeline: String },
  computed: {
    shown() {
      return this.events.toReversed().map((one) => {
        const [start, end] = [Date.parse(one.start), Date.parse(one.end)];
        const length = one.ongoing ? " goes on" : end > start ? ` ${lasted(end - start)}` : "";
        return { ...one, words: KINDS[one.kind], length, when: moment(start) };
      });
    },
  },
};
