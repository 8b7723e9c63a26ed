// The simulated room from above. Drawn in centimetres, y downwards; the stage's metres have y upwards.

import { subscribe } from "noctule/live.js";

const MARGIN = 40; // around the room, and more outside its door
const OUTSIDE = 165;
const TELL_EVERY_MS = 120;
const STEP_M = 0.25;
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
const round = (value) => Math.round(value * 1000) / 1000;

export default {
  template: `
    <div class="f-plan" data-testid="floorplan" :data-inside="inside" :data-motion="person.motion" :data-presence="presence"
         :data-t="stage.truth?.t" :data-sensed-t="turned" :data-lamp="!!stage.lamp" :data-x="person.x_m" :data-y="person.y_m" :data-room="plan.room" :data-doing="doing"
         :data-changing="!!stage.changing">
      <svg ref="svg" :viewBox="view.join(' ')" :class="{ 'f-drawing': drawing }" role="group" :aria-label="spoken"
           @pointerdown="press" @pointermove="drag" @pointerup="release" @pointercancel="release" @click="walk">
        <defs>
          <radialGradient id="f-glow"><stop offset="0" class="f-glow-in"/><stop offset="1" class="f-glow-out"/></radialGradient>
          <clipPath id="f-room"><rect x="0" y="0" :width="width" :height="depth"/></clipPath>
        </defs>
        <rect class="f-ground" :x="view[0]" :y="view[1]" :width="view[2]" :height="view[3]"/>
        <rect class="f-floor" x="0" y="0" :width="width" :height="depth"/>
        <g clip-path="url(#f-room)">
          <path class="f-boards" :d="boards"/>
          <circle class="f-range" :cx="x(plan.device_m)" :cy="y(plan.device_m)" :r="100 * plan.range_m"/>
        </g>
        <g v-for="box in boxes" class="f-furniture">
          <rect :x="box.x" :y="box.y" :width="box.width" :height="box.depth" :rx="box.round"/>
          <path :d="box.details"/>
        </g>
        <circle v-if="stage.lamp" class="f-light" clip-path="url(#f-room)" fill="url(#f-glow)" :cx="x(plan.lamp_m)" :cy="y(plan.lamp_m)" r="330"/>
        <path class="f-walls" :d="walls"/>
        <path class="f-door" :d="door"/>
        <text class="f-word" :x="way.x" :y="way.y" :font-size="12 * unit" text-anchor="middle">outside</text>

        <g :class="{ 'f-lit': stage.lamp }" class="f-lamp" :transform="at(plan.lamp_m)" role="img" :aria-label="stage.lamp ? 'lamp, lit' : 'lamp, dark'">
          <circle r="17"/><circle class="f-bulb" r="8"/>
        </g>
        <g :class="['f-device', { 'f-present': presence }]" :transform="at(plan.device_m)" role="img" aria-label="sensor">
          <circle class="f-wave" r="20"/><circle class="f-wave f-late" r="20"/><circle class="f-body" r="12"/><circle class="f-eye" r="4.5"/>
        </g>
        <circle v-if="spot" class="f-look" :cx="spot[0]" :cy="spot[1]" :r="Math.max(34, 26 * unit)"/>

        <g v-for="one in plan.switches" :key="one.id" :class="['f-switch', 'f-' + one.kind, { 'f-on': on(one.id) }]" :transform="placed(one)"
           role="switch" tabindex="0" :aria-checked="on(one.id)" :aria-label="one.label" :data-testid="'plan-' + one.id"
           @pointerdown.stop @click.stop="toggle(one)" @keydown.enter.prevent="toggle(one)" @keydown.space.prevent="toggle(one)">
          <title>{{ one.label }}: {{ on(one.id) ? "on" : "off" }}</title>
          <circle class="f-touch" :r="Math.max(24, 20 * unit)"/>
          <g v-if="one.kind === 'fan'"><circle class="f-rim" r="22"/><g class="f-blades"><path d="M0 0C-9-6-9-19 0-19S7-6 0 0C6-9 19-9 19 0S6 7 0 0C9 6 9 19 0 19S-7 6 0 0C-6 9-19 9-19 0S-6-7 0 0"/></g><circle class="f-hub" r="3.5"/></g>
          <g v-else-if="one.kind === 'curtain'" :transform="along(one)"><path class="f-cloth" d="M-60 0q7.5-11 15 0t15 0t15 0t15 0t15 0t15 0t15 0t15 0"/></g>
          <g v-else-if="one.kind === 'cat'" :transform="'rotate(' + catTurn + ')'"><path class="f-tail" d="M-16 0q-14 2-18-9"/><ellipse class="f-fur" rx="17" ry="9.5"/><circle class="f-fur" cx="19" r="8"/><path class="f-fur" d="M20-7l7-5 0 8zM20 7l7 5 0-8z"/></g>
        </g>

        <polyline v-if="path.length > 1" class="f-path" :points="line"/>
        <g v-if="goal" class="f-goal" :transform="at(goal)"><circle r="17"/><path d="M-7 0H7M0-7V7"/></g>
        <g ref="walker" :class="['f-person', { 'f-away': !inside, 'f-held': held }]" role="button" tabindex="0" data-testid="person"
           :aria-label="aria" aria-roledescription="person to drag" @pointerdown.stop="take" @click.stop @keydown="lead">
          <circle class="f-touch" :r="Math.max(30, 24 * unit)"/>
          <circle class="f-ring" r="31"/>
          <g ref="body"><ellipse class="f-shoulders" rx="12" ry="23"/><circle class="f-head" r="11"/><path class="f-nose" d="M9-4l7 4-7 4z"/></g>
          <text class="f-name" :y="-38" :font-size="13 * unit" text-anchor="middle">{{ name }}</text>
        </g>
      </svg>
      <div v-if="stage.changing" class="f-veil" role="status">Building the room ...</div>
    </div>`,
  props: { plan: Object, drawing: Boolean },
  emits: ["move", "follow", "switch"],
  data() {
    return { stage: { on: {}, doing: {}, places: {} }, presence: false, turned: 0, unit: 1, goal: null, path: [], held: false, catTurn: 0 };
  },
  computed: {
    width() {
      return 100 * this.plan.size_m[0];
    },
    depth() {
      return 100 * this.plan.size_m[1];
    },
    view() {
      const [left, right, top, bottom] = ["left", "right", "top", "bottom"].map((side) => (side === this.side ? OUTSIDE : MARGIN));
      return [-left, -top, this.width + left + right, this.depth + top + bottom];
    },
    side() {
      return sideOf(this.plan.door_m, this.plan.size_m);
    },
    way() {
      const [x, y] = [this.x(this.plan.door_m), this.y(this.plan.door_m)];
      return { left: { x: x - 90, y: y + 105 }, right: { x: x + 90, y: y + 105 }, top: { x: x + 120, y: y - 60 }, bottom: { x: x + 120, y: y + 75 } }[this.side];
    },
    person() {
      return this.stage.truth?.people[0] ?? { x_m: 0, y_m: 0, motion: "none", inside: false };
    },
    inside() {
      return this.person.inside;
    },
    doing() {
      return this.stage.doing["0"] ?? "stand";
    },
    name() {
      return this.plan.people[0].name;
    },
    aria() {
      const where = this.inside ? `in the room, ${this.person.range_m?.toFixed(1)} metres from the sensor` : "outside";
      return `${this.name}, ${where}. Arrow keys let her walk.`;
    },
    spoken() {
      return `${this.plan.room} from above, ${this.plan.size_m[0]} by ${this.plan.size_m[1]} metres`;
    },
    spot() {
      const look = this.stage.tour?.look;
      const one = this.plan.switches.find(({ id }) => id === look);
      const places = { device: this.plan.device_m, music: this.plan.device_m, lamp: this.plan.lamp_m, door: this.plan.door_m };
      if (look === "person") return [this.x([this.person.x_m]), this.y([0, this.person.y_m])];
      const place = one ? [one.x_m, one.y_m] : places[look];
      return place ? [this.x(place), this.y(place)] : null;
    },
    line() {
      return this.path.map((point) => `${this.x(point)},${this.y(point)}`).join(" ");
    },
    boards() {
      let d = "";
      for (let at = 40; at < this.depth; at += 40) d += `M0 ${at}H${this.width}`;
      return d;
    },
    boxes() {
      return this.plan.furniture.map(({ kind, corner_m, size_m }) => {
        const box = { x: 100 * corner_m[0], y: this.depth - 100 * (corner_m[1] + size_m[1]), width: 100 * size_m[0], depth: 100 * size_m[1] };
        return { ...box, round: kind === "shelf" || kind === "wardrobe" ? 3 : 12, details: details(kind, box) };
      });
    },
    gap() {
      const half = 50 * this.plan.door_width_m;
      const [x, y] = [this.x(this.plan.door_m), this.y(this.plan.door_m)];
      return this.side === "left" || this.side === "right" ? [x, y - half, x, y + half] : [x - half, y, x + half, y];
    },
    walls() {
      const [w, d, [x1, y1, x2, y2]] = [this.width, this.depth, this.gap];
      return {
        right: `M${x1} ${y1}V0H0V${d}H${w}V${y2}`,
        left: `M${x1} ${y1}V0H${w}V${d}H0V${y2}`,
        bottom: `M${x1} ${y1}H0V0H${w}V${d}H${x2}`,
        top: `M${x1} ${y1}H0V${d}H${w}V0H${x2}`,
      }[this.side];
    },
    door() {
      const [x1, y1, x2, y2] = this.gap;
      const leaf = 100 * this.plan.door_width_m;
      return {
        right: `M${x1} ${y1}h${leaf}A${leaf} ${leaf} 0 0 1 ${x2} ${y2}`,
        left: `M${x1} ${y1}h${-leaf}A${leaf} ${leaf} 0 0 0 ${x2} ${y2}`,
        bottom: `M${x1} ${y1}v${leaf}A${leaf} ${leaf} 0 0 0 ${x2} ${y2}`,
        top: `M${x1} ${y1}v${-leaf}A${leaf} ${leaf} 0 0 1 ${x2} ${y2}`,
      }[this.side];
    },
  },
  watch: {
    plan() {
      this.goal = null;
      this.path = [];
      this.shown = null;
    },
    view() {
      this.$nextTick(this.measure);
    },
  },
  mounted() {
    this.shown = null; // where the walker is drawn, cm
    this.turn = { left: 0, right: 180, top: 90, bottom: -90 }[this.side]; // she looks in
    this.frame = null;
    this.told = 0;
    this.resizer = new ResizeObserver(this.measure);
    this.resizer.observe(this.$refs.svg);
    this.leave = subscribe({ stage: this.hear, record: this.look });
    this.place();
  },
  unmounted() {
    this.leave();
    this.resizer.disconnect();
    cancelAnimationFrame(this.frame);
  },
  methods: {
    x(point) {
      return 100 * point[0];
    },
    y(point) {
      return this.depth - 100 * point[1];
    },
    at(point) {
      return `translate(${this.x(point)} ${this.y(point)})`;
    },
    on(id) {
      return !!this.stage.on[id];
    },
    placed(one) {
      return this.at(this.stage.places[one.id] ?? [one.x_m, one.y_m]);
    },
    along(one) {
      const side = sideOf([one.x_m, one.y_m], this.plan.size_m);
      return side === "left" || side === "right" ? "rotate(90)" : "";
    },
    measure() {
      this.unit = 1 / (this.$refs.svg?.getScreenCTM()?.a || 1); // centimetres a pixel
    },
    look(record) {
      if (record.presence !== this.presence) this.turned = record.t;
      this.presence = record.presence;
    },
    hear(stage) {
      if (stage.room !== this.plan.room) return; // the new plan is on its way
      const [before, now] = [this.stage.places?.cat, stage.places?.cat];
      if (before && now && Math.hypot(now[0] - before[0], now[1] - before[1]) > 0.01)
        this.catTurn = (Math.atan2(before[1] - now[1], now[0] - before[0]) * 180) / Math.PI;
      this.stage = { places: {}, ...stage };
      if (this.goal && !this.held && Math.hypot(this.goal[0] - this.person.x_m, this.goal[1] - this.person.y_m) < 0.15) this.goal = null;
      if (stage.doing["0"] !== "walk" && !this.held && performance.now() - this.told > 1000) {
        this.goal = null;
        if (!this.stroke) this.path = [];
      }
      if (this.frame === null) this.frame = requestAnimationFrame(this.glide);
    },
    /** Between two messages the walker glides on. */
    glide() {
      this.frame = null;
      const wanted = [100 * this.person.x_m, this.depth - 100 * this.person.y_m];
      this.shown ??= wanted;
      const away = [wanted[0] - this.shown[0], wanted[1] - this.shown[1]];
      const far = Math.hypot(...away);
      if (far > 2) {
        const angle = (Math.atan2(away[1], away[0]) * 180) / Math.PI;
        this.turn += (((angle - this.turn) % 360) + 540) % 360 - 180;
      }
      this.shown = far < 0.3 || far > 150 ? wanted : [this.shown[0] + 0.18 * away[0], this.shown[1] + 0.18 * away[1]];
      this.place();
      if (far >= 0.3) this.frame = requestAnimationFrame(this.glide);
    },
    place() {
      const [x, y] = this.shown ?? [this.x(this.plan.door_m), this.y(this.plan.door_m)];
      this.$refs.walker.setAttribute("transform", `translate(${x} ${y})`);
      this.$refs.body.setAttribute("transform", `rotate(${this.turn})`);
    },
    /** Metres under the pointer, within the picture. */
    metres(event) {
      const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(this.$refs.svg.getScreenCTM().inverse());
      return this.within([point.x / 100, (this.depth - point.y) / 100]);
    },
    within([x, y]) {
      const [left, top, width, height] = this.view.map((one) => one / 100);
      const high = this.plan.size_m[1] - top;
      return [round(clamp(x, left + 0.15, left + width - 0.15)), round(clamp(y, high - height + 0.15, high - 0.15))];
    },
    take(event) {
      if (this.drawing) return this.press(event);
      this.$refs.svg.setPointerCapture(event.pointerId);
      this.held = true;
      this.path = [];
    },
    press(event) {
      if (!this.drawing) return;
      this.$refs.svg.setPointerCapture(event.pointerId);
      this.stroke = true;
      this.goal = null;
      this.path = [this.metres(event)];
    },
    drag(event) {
      if (this.held) {
        this.goal = this.metres(event);
        if (performance.now() - this.told > TELL_EVERY_MS) this.go(this.goal);
      } else if (this.stroke) {
        const [point, last] = [this.metres(event), this.path.at(-1)];
        if (Math.hypot(point[0] - last[0], point[1] - last[1]) > 0.1) this.path.push(point);
      }
    },
    release() {
      if (this.held) {
        this.held = false;
        this.dragged = performance.now();
        if (this.goal) this.go(this.goal);
      } else if (this.stroke) {
        this.stroke = false;
        this.dragged = performance.now();
        this.told = performance.now();
        if (this.path.length > 1) this.$emit("follow", { person: 0, points: this.path.slice(0, 200) });
      }
    },
    /** A tap on the floor. */
    walk(event) {
      if (this.drawing || performance.now() - (this.dragged ?? -1000) < 300) return;
      this.path = [];
      this.go((this.goal = this.metres(event)));
    },
    lead(event) {
      const way = ARROWS[event.key];
      if (!way) return;
      event.preventDefault();
      const from = this.goal ?? [this.person.x_m, this.person.y_m];
      const far = event.shiftKey ? 4 * STEP_M : STEP_M;
      this.go((this.goal = this.within([from[0] + far * way[0], from[1] + far * way[1]])));
    },
    go([x, y]) {
      this.told = performance.now();
      this.$emit("move", { person: 0, x, y });
    },
    toggle(one) {
      this.$emit("switch", { id: one.id, on: !this.on(one.id) });
    },
  },
};

function clamp(value, low, high) {
  return Math.min(Math.max(value, low), high);
}

function sideOf([x, y], [width, depth]) {
  const far = { left: Math.abs(x), right: Math.abs(width - x), bottom: Math.abs(y), top: Math.abs(depth - y) };
  return Object.keys(far).reduce((a, b) => (far[b] < far[a] ? b : a));
}

/** The few lines by which a box is a sofa, or a bed. */
function details(kind, { x, y, width, depth }) {
  if (kind === "sofa") {
    const back = 24;
    return `M${x + 20} ${y}V${y + depth - back}H${x + width - 20}V${y}M${x + width / 2} ${y}V${y + depth - back}`;
  }
  if (kind === "bed") return `M${x} ${y + 62}H${x + width}M${x + 14} ${y + 14}h${width / 2 - 21}v34h${21 - width / 2}zM${x + width / 2 + 7} ${y + 14}h${width / 2 - 21}v34h${21 - width / 2}z`;
  if (kind === "shelf" || kind === "wardrobe")
    return width > depth ? `M${x + width / 3} ${y}v${depth}M${x + (2 * width) / 3} ${y}v${depth}` : `M${x} ${y + depth / 2}h${width}`;
  if (kind === "desk") return `M${x + width / 2 - 26} ${y + depth / 2 - 9}h52v18h-52z`;
  return "";
}
