// The 3D view of the memory.
//
// In:  props.value = { token, url, selection: {url, count} | null, hidden: {url, count} | null, photo, target, unit,
//                      path, ways, gizmo, moved, hint, total, heard }
// Out: events "ask" {}, "pick" {steps: [{kind, how, through, camera, ...}], message}, "aim" {},
//      "place" {offset, turn, size}, "object" {do}
// See editing/panels/viewport.py for the values and editing/viewport.py for what a step may hold.

import { Eye } from "./eye.js";
import { furniture, helpSheet, legend } from "./furniture.js";
import { card, Graphics } from "./gpu.js";
import { asked, combination, GIZMOS, TOOLS } from "./keys.js";
import { coloured } from "./looks.js";
import { Outbox } from "./outbox.js";
import { Overlay } from "./overlay.js";
import { Painter } from "./painter.js";
import { axisAngle, carried, pose, sizeOf, turnOf } from "./pose.js";
import { load, readBits } from "./payload.js";
import { Shape } from "./shapes.js";

const BRISK = 45; // milliseconds a frame may take while things move
const REST = 160; // milliseconds after which all points are drawn
const HANDLES = new Set(GIZMOS.map((g) => g.name));
const NO_SHAPE = new Set(["look", ...HANDLES]);
const CLICKS = new Set(["click", "colour"]);

class Viewport {
  constructor(root, props, trigger) {
    Object.assign(this, { root, props, trigger });
    const $ = (this.$ = (s) => root.querySelector(s));
    this.frame = $(".vp-frame");
    this.scene = { points: null, shown: null, moved: null, pose: null };
    this.value = this.eye = this.shape = this.selected = this.away = this.loading = null;
    this.state = { tool: "look", how: "replace", through: false, look: "photo", hidden: [false, false, false], local: false, snap: false };
    this.sizes = { brush: 24, colour: 12 };
    this.urls = { points: null, selection: null, hidden: null };
    this.outbox = new Outbox((steps, message) => this.trigger("pick", { steps, message }));
    this.held = new Set();
    this.pointers = new Map();
    this.budget = 1_000_000;
    this.painter = new Painter($(".vp-points"));
    this.overlay = new Overlay($(".vp-over"));
    this.card = card();
    this.graphics = this.card ? this.started() : null;
    this.hardware = Boolean(this.graphics) && !this.card.software;
    this.buttons = furniture(root, (name, argument) => (this.act(name, argument), this.frame.focus({ preventScroll: true })));
    this.sheet = helpSheet(root);
    this.listen();
    this.show();
  }

  started() {
    try {
      const graphics = new Graphics(this.$(".vp-gl"), this.frame);
      graphics.controls.addEventListener("change", () => this.changed());
      graphics.controls.addEventListener("objectChange", () => this.carried());
      graphics.controls.addEventListener("dragging-changed", (e) => e.value || this.dropped());
      this.$(".vp-gl").addEventListener("webglcontextlost", (e) => (e.preventDefault(), this.lost()));
      return graphics;
    } catch {
      return null;
    }
  }

  lost() {
    this.graphics = null;
    this.hardware = false;
    this.changed();
    this.status();
  }

  get working() {
    return document.querySelector(".note.working") !== null; // the dock says so; shapes would be refused
  }

  // --- what the server says ----------------------------------------------------------------------------------------
  update(value) {
    const before = this.value;
    this.value = value && value.token ? value : null;
    this.root.classList.toggle("empty", !this.value);
    if (!this.value) return this.outbox.clear();
    const { photo, target, unit, heard } = this.value;
    if (this.working) this.outbox.clear(); // the server would refuse them
    this.outbox.answered(heard);
    if (!before || before.scene !== this.value.scene) {
      this.eye = new Eye(photo, target, unit);
      this.eye.back();
      this.measure();
      this.urls = { points: null, selection: null, hidden: null };
      this.scene.points = this.selected = this.away = null;
      this.graphics?.setPoints(null);
    }
    this.settle();
    this.fetch();
    this.status();
    this.changed();
  }

  // The gizmo stands where the server says, after its own idea of the ground.
  settle() {
    const { gizmo, moved } = this.value, { tool, local, snap } = this.state, m = moved || pose([0, 0, 0, 1], 1, [0, 0, 0], [0, 0, 0]);
    const wanted = HANDLES.has(tool) && gizmo && this.graphics;
    if (this.graphics?.controls.dragging) return; // an answer to an earlier drag
    this.scene.pose = moved;
    if (wanted) {
      this.graphics.set({ local, snap, move: 0.05 * this.value.unit });
      this.graphics.size = sizeOf(m);
      this.graphics.hold(carried(m, gizmo), turnOf(m), sizeOf(m), tool);
    } else this.graphics?.release();
    if (!gizmo && HANDLES.has(tool)) this.choose("look");
  }

  async fetch() {
    const { url, selection, hidden } = this.value;
    if (!this.visible) return;
    if (!url) {
      if (this.asked !== this.value.token) {
        this.asked = this.value.token;
        this.trigger("ask", {});
      }
      return;
    }
    try {
      if (url !== this.urls.points) await this.fetchPoints(url);
      for (const [name, bits] of [["selection", selection?.url || null], ["hidden", hidden?.url || null]]) {
        if (url === this.urls.points && bits !== this.urls[name]) await this.fetchBits(name, bits);
      }
    } catch (e) {
      if (e.name !== "AbortError") this.status(`The points could not be loaded: ${e.message}. The rest of the page works.`);
    }
  }

  async fetchPoints(url) {
    this.urls = { points: url, selection: null, hidden: null };
    this.loading?.abort();
    this.loading = new AbortController();
    const first = !this.scene.points;
    const taken = (points) => {
      if (this.urls.points !== url) return;
      if (this.scene.points !== points) {
        this.scene.points = points;
        this.scene.shown = new Uint32Array(points.count);
        this.selected = this.scene.moved = this.away = null;
        if (this.hardware) this.graphics.setPoints(points);
      }
      this.colour();
    };
    this.root.classList.add("loading");
    // the first picture grows while it arrives; a later one takes the old one's place at once
    const points = await load(url, first ? taken : undefined, this.loading.signal);
    taken(points);
    this.root.classList.remove("loading");
    this.status();
  }

  async fetchBits(name, url) {
    this.urls[name] = url;
    let bits = null;
    if (url) {
      const bytes = new Uint8Array(await (await fetch(url)).arrayBuffer());
      if (this.urls[name] !== url || !this.scene.points) return;
      bits = readBits(bytes, this.scene.points.count);
    }
    if (name === "hidden") this.away = bits;
    else this.selected = this.scene.moved = bits;
    this.colour();
  }

  colour() {
    const { points, shown } = this.scene;
    if (!points) return;
    coloured(points, this.state.look, this.selected, this.state.hidden, shown, this.away);
    if (this.hardware) this.graphics.refresh(shown, this.selected);
    this.changed();
  }

  // --- drawing -----------------------------------------------------------------------------------------------------
  measure() {
    const { clientWidth: w, clientHeight: h } = this.frame;
    if (!w || !h || !this.eye) return;
    this.eye.resize(w, h);
    this.painter.resize(w, h);
    this.graphics?.resize(w, h);
    this.overlay.resize(w, h);
    this.changed();
  }

  changed() {
    this.dirty = true;
    this.full = false;
    this.since = performance.now();
    if (!this.looping) {
      this.looping = true;
      requestAnimationFrame(() => this.tick());
    }
  }

  tick() {
    const now = performance.now();
    this.flown(now);
    const rest = now - this.since > REST;
    if (this.dirty || (rest && !this.full)) this.paint(rest || !this.scene.points || this.scene.points.ready <= this.budget);
    this.looping = this.dirty || !this.full || this.held.size > 0;
    if (this.looping) requestAnimationFrame(() => this.tick());
  }

  get dark() {
    return document.body.classList.contains("dark") || this.root.closest(".dark") !== null;
  }

  paint(all) {
    this.dirty = false;
    if (!this.eye || !this.frame.clientWidth) return (this.full = true);
    const ready = this.scene.points ? this.scene.points.ready : 0, count = all ? ready : Math.min(ready, this.budget);
    this.full = count === ready;
    const ms = this.drawn(count);
    if (count && this.scene.points.count > 50_000) {
      const share = Math.min(Math.max(BRISK / ms, 0.5), 1.4);
      this.budget = Math.max(40_000, Math.round(Math.min(count * share, 4_000_000)));
    }
    const { photo, path, ways, unit } = this.value;
    this.overlay.draw(this.eye, { photo, path, ways, unit, dark: this.dark, shape: this.shape, hover: this.hover });
  }

  // Draws so many points; milliseconds it took.
  drawn(count) {
    const started = performance.now(), background = this.dark ? 0xff1a1714 : 0xffe4eaec;
    if (this.hardware) {
      this.graphics.draw(this.eye, this.scene, count, background);
      this.graphics.wait();
    } else {
      this.painter.draw(this.eye, this.scene, count, background);
      const gizmo = this.graphics?.holding;
      this.$(".vp-gl").hidden = !gizmo;
      if (gizmo) this.graphics.draw(this.eye, this.scene, 0, null);
    }
    return performance.now() - started;
  }

  // --- saying ------------------------------------------------------------------------------------------------------
  status(problem) {
    const { points } = this.scene, v = this.value;
    const parts = [];
    if (problem) parts.push(problem);
    if (v && points) {
      const left = v.total > points.count ? ` of ${v.total.toLocaleString("en")}` : "";
      parts.push(`${points.count.toLocaleString("en")}${left} points`);
    } else if (v) parts.push("Loading the points");
    if (v && v.selection) parts.push(`${v.selection.count.toLocaleString("en")} selected`);
    if (v && v.hidden) parts.push(`${v.hidden.count.toLocaleString("en")} hidden (U shows them)`);
    if (v && v.hint) parts.push(v.hint);
    if (!this.graphics) parts.push("no WebGL here: the points are drawn by the processor, the handles are off");
    this.$(".vp-status").textContent = parts.join(" \u00b7 ");
  }

  show() {
    const { tool, how, through, look, hidden, local, snap } = this.state;
    this.buttons.tool(tool);
    this.buttons.handles(local, snap);
    this.buttons.how(how);
    this.buttons.depth(through);
    this.buttons.looks(look);
    legend(this.root, look, hidden, (k) => this.act("hide", k));
    this.frame.dataset.tool = tool;
    const handle = GIZMOS.find((g) => g.name === tool);
    const says = handle ? `${handle.says} Then press Move it here (M), or Copy it here (Shift+D).` : TOOLS.find((t) => t.name === tool).says;
    this.$(".vp-hint").textContent = says;
    this.changed();
  }

  // --- doing -------------------------------------------------------------------------------------------------------
  act(name, argument) {
    const can = {
      tool: () => this.choose(argument),
      gizmo: () => this.grasp(argument),
      axes: () => (this.set({ local: !this.state.local }), this.value && this.settle()),
      snap: () => (this.set({ snap: !this.state.snap }), this.value && this.settle()),
      object: () => this.object(argument),
      how: () => this.set({ how: argument }),
      through: () => this.set({ through: argument === undefined ? !this.state.through : argument }),
      looks: () => (this.set({ look: argument }), this.colour()),
      hide: () => {
        this.state.hidden[argument] = !this.state.hidden[argument];
        this.show();
        this.colour();
      },
      pick: () => this.pick({ kind: argument }),
      grow: () => this.pick({ kind: "grow", amount: 3 * argument }),
      fit: () => this.fit(),
      aboard: () => (this.eye?.aboard(), this.changed()),
      zoom: () => (this.eye?.zoom(argument), this.changed()),
      orbit: () => (this.eye?.orbit(0.08 * argument[0], 0.08 * argument[1]), this.changed()),
      size: () => this.resized(argument),
      help: () => (this.sheet.hidden = !this.sheet.hidden),
      escape: () => this.escape(),
      enter: () => this.shape?.kind === "polygon" && this.finish(this.combined || this.state.how),
      press: () => this.press(argument),
      shoot: () => this.shoot(),
    };
    can[name]?.();
  }

  set(state) {
    Object.assign(this.state, state);
    this.show();
  }

  choose(tool) {
    this.shape = this.hover = null;
    if (!HANDLES.has(tool)) this.graphics?.release();
    this.set({ tool });
  }

  grasp(mode) {
    if (!this.value) return;
    if (!this.graphics) return this.status("The handles need WebGL, which this browser does not have: use the numbers of step 3.");
    if (!this.value.selection) return this.status("Select a thing first.");
    if (this.working) return;
    const held = HANDLES.has(this.state.tool);
    this.choose(mode);
    this.settle();
    if (held) return; // cleared already
    this.trigger("aim", {}); // the server clears the place beforehand, so that dragging is quick
  }

  escape() {
    if (!this.sheet.hidden) this.sheet.hidden = true;
    else if (this.shape) this.shape = null;
    else if (this.state.tool !== "look") this.choose("look");
    else if (this.value?.selection) this.press("start-over");
    this.changed();
  }

  resized(factor) {
    const kind = this.state.tool === "colour" ? "colour" : "brush", [low, high] = kind === "colour" ? [2, 60] : [4, 200];
    this.sizes[kind] = Math.min(Math.max(this.sizes[kind] * factor, low), high);
    if (this.hover) this.hover.radius = this.sizes.brush;
    this.$(".vp-hint").textContent = kind === "colour" ? `Alike within ${this.sizes.colour.toFixed(0)}; 2 is hardly seen, 20 another shade.` : `Brush of ${this.sizes.brush.toFixed(0)} pixels.`;
    this.changed();
  }

  // The page's own buttons do the rest.
  press(id) {
    const b = document.getElementById(id);
    if (b && !b.disabled) b.click();
  }

  object(what) {
    if (!this.value || this.working) return;
    if (what === "hide" && !this.value.selection) return this.status("Select a thing first.");
    this.trigger("object", { do: what });
  }

  pick(message, how = this.state.how) {
    if (!this.value || this.working) return;
    this.outbox.push({ how, through: this.state.through, camera: this.eye.camera(), ...message });
  }

  fit() {
    const { points } = this.scene;
    if (!points) return;
    const low = [Infinity, Infinity, Infinity], high = [-Infinity, -Infinity, -Infinity];
    const stride = this.selected ? 1 : 7, near = [];
    for (let i = 0; i < points.ready; i += stride) {
      if (this.selected ? this.selected[i] : points.provenance[i] === 0) near.push(i);
    }
    // the outermost hundredth on each side may be a stray or the sky
    for (let k = 0; k < 3 && near.length; k++) {
      const along = Float32Array.from(near, (i) => points.xyz[3 * i + k]).sort(), n = along.length - 1;
      low[k] = along[Math.floor(0.02 * n)];
      high[k] = along[Math.ceil((this.selected ? 0.98 : 0.85) * n)];
    }
    if (near.length) this.eye.fit(low, high);
    this.changed();
  }

  shoot() {
    this.paint(true);
    const { width, height } = this.painter;
    const out = Object.assign(document.createElement("canvas"), { width, height }), g = out.getContext("2d");
    if (!this.hardware) g.drawImage(this.$(".vp-points"), 0, 0, width, height);
    if (this.hardware || !this.$(".vp-gl").hidden) g.drawImage(this.$(".vp-gl"), 0, 0, width, height);
    g.drawImage(this.$(".vp-over"), 0, 0, width, height);
    const link = Object.assign(document.createElement("a"), { href: out.toDataURL("image/png"), download: "memory.png" });
    document.body.append(link);
    link.click();
    link.remove();
  }

  // --- gizmo -------------------------------------------------------------------------------------------------------
  carried() {
    const { gizmo } = this.value, { position, quaternion, scale } = this.graphics.handle;
    if (this.state.tool === "scale") this.graphics.even();
    if (gizmo) this.scene.pose = pose(quaternion.toArray(), scale.x, gizmo, position.toArray());
    this.changed();
  }

  dropped() {
    const { gizmo, unit } = this.value || {};
    if (!gizmo) return;
    const { position, quaternion, scale } = this.graphics.handle, at = position.toArray();
    this.graphics.size = scale.x;
    this.trigger("place", { offset: at.map((v, k) => (v - gizmo[k]) / unit), turn: axisAngle(quaternion.toArray()), size: scale.x });
  }

  // --- hands -------------------------------------------------------------------------------------------------------
  at(e) {
    const r = this.frame.getBoundingClientRect();
    return [e.clientX - r.left, e.clientY - r.top];
  }

  listen() {
    const f = this.frame, on = (name, what, options) => f.addEventListener(name, what, options);
    on("pointerdown", (e) => this.down(e));
    on("pointermove", (e) => this.move(e));
    on("pointerup", (e) => this.up(e));
    on("pointercancel", (e) => this.up(e, true));
    on("pointerleave", () => ((this.hover = null), this.eye && this.changed()));
    on("dblclick", () => this.act("enter"));
    on("contextmenu", (e) => e.preventDefault());
    on("wheel", (e) => this.wheel(e), { passive: false });
    on("keydown", (e) => this.key(e));
    on("keyup", (e) => this.held.delete(e.key.toLowerCase()));
    on("blur", () => this.held.clear());
    new ResizeObserver(() => this.measure()).observe(f);
    new IntersectionObserver(([e]) => {
      this.visible = e.isIntersecting;
      if (this.value) this.fetch();
    }, { rootMargin: "200px" }).observe(f);
    new MutationObserver(() => this.eye && this.changed()).observe(document.body, { attributes: true, attributeFilter: ["class"] });
  }

  down(e) {
    if (!this.eye || this.graphics?.grabbed || e.target.closest("button, .vp-help")) return;
    capture(this.frame, e);
    this.pointers.set(e.pointerId, this.at(e));
    const { tool } = this.state, draws = !NO_SHAPE.has(tool) && e.button === 0 && !e.altKey;
    if (this.pointers.size > 1) return void (this.shape?.kind !== "polygon" && (this.shape = null));
    this.turning = draws ? null : e.button === 2 || (e.button === 0 && e.shiftKey) ? "pan" : "orbit";
    if (!draws || this.working) return;
    this.combined = combination(e, this.state.how);
    const at = this.at(e), size = tool === "colour" ? this.sizes.colour : this.sizes.brush;
    if (tool === "polygon" && this.shape) {
      if (this.shape.closes) this.finish(this.combined);
      else this.shape.corner(at);
    } else this.shape = new Shape(tool, at, size);
    this.changed();
  }

  move(e) {
    if (!this.eye) return;
    const at = this.at(e), before = this.pointers.get(e.pointerId);
    this.hover = this.state.tool === "brush" && e.pointerType !== "touch" ? { at, radius: this.sizes.brush } : null;
    if (before) this.pointers.set(e.pointerId, at);
    if (this.pointers.size === 2 && before) this.pinch(at, before, e.pointerId);
    else if (before && this.turning && !this.graphics?.controls.dragging) {
      const dx = at[0] - before[0], dy = at[1] - before[1];
      if (this.turning === "pan") this.eye.pan(dx, dy);
      else this.eye.orbit(0.006 * dx, 0.006 * dy);
    } else if (this.shape) this.shape.carry(at);
    if (before || this.hover || this.shape) this.changed();
  }

  pinch(at, before, id) {
    const [[, other]] = [...this.pointers].filter(([k]) => k !== id);
    const far = (a) => Math.hypot(a[0] - other[0], a[1] - other[1]);
    this.eye.pan((at[0] - before[0]) / 2, (at[1] - before[1]) / 2);
    this.eye.zoom(far(before) / Math.max(far(at), 1), (at[0] + other[0]) / 2, (at[1] + other[1]) / 2);
  }

  up(e, cancelled = false) {
    const pressed = this.pointers.delete(e.pointerId);
    this.turning = this.pointers.size ? "orbit" : null;
    if (!this.shape || !pressed) return;
    if (cancelled) this.shape = null;
    else if (this.shape.kind !== "polygon") this.finish(this.combined);
    this.changed();
  }

  finish(how) {
    const message = this.shape.message();
    this.shape = null;
    if (message) this.pick(message, how);
    this.changed();
  }

  wheel(e) {
    // the page scrolls on until the view was clicked
    if (!this.eye || (document.activeElement !== this.frame && !e.ctrlKey)) return;
    e.preventDefault();
    this.eye.zoom(Math.exp(Math.min(Math.max(e.deltaY, -240), 240) * 0.0016), ...this.at(e));
    this.changed();
  }

  key(e) {
    const what = e.target === this.frame || e.key === "Escape" ? asked(e) : null;
    if (!what || !this.value) return;
    e.preventDefault();
    if (what[0] !== "fly") return this.act(...what);
    this.held.add(e.key.toLowerCase());
    this.changed();
  }

  flown(now) {
    const seconds = Math.min((now - (this.clock || now)) / 1000, 0.1);
    this.clock = now;
    if (!this.held.size || !this.eye) return (this.clock = this.held.size ? now : null);
    const way = [0, 0, 0];
    for (const key of this.held) asked({ key })?.[1]?.forEach?.((v, k) => (way[k] += v));
    this.eye.fly(...way, seconds);
    this.dirty = true;
    this.full = false;
    this.since = now;
  }

  // --- for measuring -----------------------------------------------------------------------------------------------
  bench(frames = 10, hardware = this.hardware) {
    const was = this.hardware, times = [];
    if (hardware && !was) {
      this.hardware = true;
      this.graphics.setPoints(this.scene.points);
      this.colour();
    }
    for (let i = 0; i <= frames; i++) {
      this.eye.orbit(0.01, 0);
      times.push(this.drawn(this.scene.points.ready));
    }
    if (hardware && !was) {
      this.hardware = false;
      this.graphics.setPoints(null);
    }
    times.shift();
    return times.sort((a, b) => a - b)[frames >> 1];
  }
}

function capture(frame, e) {
  try {
    frame.setPointerCapture(e.pointerId);
  } catch {
    // a pointer that is gone already
  }
}

export function mount(element, props, trigger, watch) {
  const view = new Viewport(element, props, trigger);
  view.frame.viewport = view; // for tests and measurements
  watch("value", () => view.update(props.value));
  view.update(props.value);
  return view;
}
