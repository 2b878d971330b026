// The stage: one picture on which things are clicked, boxed and dragged.
//
// In:  props.value = { image, width, height, mask, clicks, box, foot, target, preview }  (see editing/panels/pictures.py)
// Out: events "point" {clicks: [[x, y, positive], ...], message}, "frame" {x0, y0, x1, y1, message}, "aim" {},
//      "drag" {x, y}, "drop" {x, y}
// Clicks and boxes are numbered and sent one at a time; `heard` is the last one that the server has answered. What is
// clicked meanwhile goes along with the next message, so that no number of clicks makes a queue.
// The things found in the picture (things.js) come and go as events of the document: "spatia-things" tells their masks
// and areas, "spatia-thing-shown" which one is pointed at in the list, "spatia-thing-picked" which one is clicked here.
// Every coordinate is in working pixels of the picture; `foot` is where the selected thing touches the ground.

const PATIENCE = 15000; // milliseconds until an answer is taken for lost
const ACCENT = "#ff4081", FOUND = "#2dd4bf";
const TOOLS = [
  ["add", "+", "This", "Click on the thing you want to change. Shift+click: not this."],
  ["not", "\u2212", "Not this", "Click on what the selection should leave out."],
  ["box", "\u25ad", "Box", "Drag a box around the thing."],
  ["thing", "\u25c7", "Found things", "Point at a thing and click. Shift+click adds it to the selection."],
  ["move", "\u2725", "Drag", "Drag the selected thing; it stays on the ground. Then press Move it here."],
];

function mountStage(element, props, trigger, watch) {
  const $ = (s) => element.querySelector(s);
  const frame = $(".stage-frame"), base = $(".stage-image"), shown = $(".stage-preview"), canvas = $("canvas");
  const hint = $(".stage-hint"), g = canvas.getContext("2d");
  let mode = "add", v = null, ring = null, tint = null;
  let cross = null; // keyboard crosshair, or null while the mouse is used
  let drag = null; // {from, at, start, dx, dy} of a box or a move under way
  let corner = null; // first corner of a box made with the keyboard
  let things = [], pointed = null; // things found, and the one under the pointer
  const later = []; // clicks that wait for the answer to those before
  let boxed = null, message = 0, awaited = 0, patience = 0, redraw = 0;

  const working = () => document.querySelector(".note.working"); // the dock says so; clicks would be refused

  // --- tools ---------------------------------------------------------------------------------------------------
  const buttons = {};
  for (const [name, sign, label, says] of TOOLS) {
    const b = document.createElement("button");
    b.type = "button";
    b.className = `stage-tool tool-${name}`;
    b.innerHTML = `<span aria-hidden="true">${sign}</span> ${label}`;
    b.title = says;
    b.onclick = () => choose(name);
    $(".stage-tools").append((buttons[name] = b));
  }

  function choose(name) {
    if (buttons[name].disabled) return;
    mode = name;
    corner = drag = null;
    frame.dataset.mode = name;
    for (const [n, b] of Object.entries(buttons)) b.setAttribute("aria-pressed", n === name);
    hint.textContent = TOOLS.find((t) => t[0] === name)[3];
    if (name === "move") trigger("aim", {}); // the server clears the place beforehand, so that dragging is quick
    draw();
  }

  // --- coordinates ---------------------------------------------------------------------------------------------
  const clamp = (a, low, high) => Math.min(Math.max(a, low), high);
  const scale = () => canvas.clientWidth / v.width;

  function pixel(event, inside = true) {
    const r = frame.getBoundingClientRect();
    const x = ((event.clientX - r.left) / r.width) * v.width, y = ((event.clientY - r.top) / r.height) * v.height;
    return inside ? [clamp(x, 0, v.width - 0.01), clamp(y, 0, v.height - 0.01)] : [x, y];
  }

  // --- drawing -------------------------------------------------------------------------------------------------
  function layer(paint) {
    const c = document.createElement("canvas");
    c.width = v.width;
    c.height = v.height;
    paint(c.getContext("2d"));
    return c;
  }

  // The mask as a tinted area and as a ring around it: the mask painted in all directions, minus itself.
  function outline(mask, colour = ACCENT) {
    const t = Math.max(1.5, v.width / 420);
    const coloured = (c, colour) => {
      c.globalCompositeOperation = "source-in";
      c.fillStyle = colour;
      c.fillRect(0, 0, v.width, v.height);
    };
    const grown = (c, d) => {
      for (let a = 0; a < 16; a++) c.drawImage(mask, d * Math.cos((a * Math.PI) / 8), d * Math.sin((a * Math.PI) / 8), v.width, v.height);
    };
    const halo = layer((c) => (grown(c, 2 * t), coloured(c, "#fff")));
    const edge = layer((c) => (grown(c, t), coloured(c, colour)));
    return {
      tint: layer((c) => (c.drawImage(mask, 0, 0, v.width, v.height), coloured(c, colour))),
      ring: layer((c) => {
        c.drawImage(halo, 0, 0);
        c.drawImage(edge, 0, 0);
        c.globalCompositeOperation = "destination-out";
        c.drawImage(mask, 0, 0, v.width, v.height);
      }),
    };
  }

  // --- things found --------------------------------------------------------------------------------------------
  document.addEventListener("spatia-things", (e) => {
    things = e.detail.map((t) => ({ ...t }));
    pointed = null;
    buttons.thing.hidden = !things.length;
    if (things.length && v && mode !== "thing") choose("thing");
    if (!things.length && mode === "thing") choose("add");
    draw();
  });
  document.addEventListener("spatia-thing-shown", (e) => show_thing(things.find((t) => t.name === e.detail)));

  function show_thing(thing) {
    if (thing && !thing.ring && v) Object.assign(thing, outline(thing.mask, FOUND));
    if (pointed === (thing || null)) return;
    pointed = thing || null;
    draw();
  }

  // The smallest thing there, as a person means the cup and not the table.
  function thing_at([x, y]) {
    const here = things.filter((t) => t.has(x / v.width, y / v.height));
    return here.sort((a, b) => a.share - b.share)[0];
  }

  function pick_thing(at, shift) {
    show_thing(thing_at(at));
    if (pointed) document.dispatchEvent(new CustomEvent("spatia-thing-picked", { detail: { name: pointed.name, add: shift } }));
  }

  function draw() {
    if (!v || !canvas.clientWidth) return;
    const dpr = window.devicePixelRatio || 1, s = scale();
    canvas.width = Math.round(canvas.clientWidth * dpr);
    canvas.height = Math.round(canvas.clientHeight * dpr);
    g.setTransform(dpr * s, 0, 0, dpr * s, 0, 0);
    const moving = drag && mode === "move";
    const away = moving ? [drag.dx, drag.dy] : v.target && v.foot ? [v.target[0] - v.foot[0], v.target[1] - v.foot[1]] : [0, 0];
    if (ring && !(v.preview && !moving)) {
      g.globalAlpha = moving || v.preview ? 0.12 : 0.38;
      g.drawImage(tint, moving ? away[0] : 0, moving ? away[1] : 0);
      g.globalAlpha = 1;
      g.drawImage(ring, moving ? away[0] : 0, moving ? away[1] : 0);
    }
    if (pointed && !moving) {
      g.globalAlpha = 0.45;
      g.drawImage(pointed.tint, 0, 0, v.width, v.height);
      g.globalAlpha = 1;
      g.drawImage(pointed.ring, 0, 0, v.width, v.height);
    }
    if (!v.preview && !moving) for (const [x, y, positive] of v.clicks) marker(x, y, positive, s);
    const box = drag && mode === "box" ? [...drag.from, ...drag.at] : corner && cross ? [...corner, ...cross] : !v.preview && v.box;
    if (box) rectangle(box, s);
    if ((moving || (v.preview && v.target)) && v.foot) foothold(v.foot[0] + away[0], v.foot[1] + away[1], s);
    if (cross && document.activeElement === frame) crosshair(s);
  }

  function marker(x, y, positive, s) {
    g.beginPath();
    g.arc(x, y, 7 / s, 0, 7);
    g.fillStyle = positive ? "#15803d" : "#b91c1c";
    g.fill();
    g.lineWidth = 2 / s;
    g.strokeStyle = "#fff";
    g.stroke();
    g.beginPath();
    g.moveTo(x - 3.5 / s, y);
    g.lineTo(x + 3.5 / s, y);
    if (positive) g.moveTo(x, y - 3.5 / s), g.lineTo(x, y + 3.5 / s);
    g.stroke();
  }

  function doubled(s, path) {
    for (const [colour, width] of [["#fff", 4], [ACCENT, 2]]) {
      g.strokeStyle = colour;
      g.lineWidth = width / s;
      g.beginPath();
      path();
      g.stroke();
    }
  }

  const rectangle = ([x0, y0, x1, y1], s) => doubled(s, () => g.rect(Math.min(x0, x1), Math.min(y0, y1), Math.abs(x1 - x0), Math.abs(y1 - y0)));
  const foothold = (x, y, s) => doubled(s, () => g.ellipse(x, y, 14 / s, 5 / s, 0, 0, 7));
  const crosshair = (s) => doubled(s, () => {
    const [x, y] = cross, a = 14 / s, b = 4 / s;
    for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) g.moveTo(x + b * dx, y + b * dy), g.lineTo(x + a * dx, y + a * dy);
  });

  // --- mouse and touch -----------------------------------------------------------------------------------------
  function begin(at) {
    const t = v.target || v.foot;
    drag = mode === "move"
      ? { from: at, at, start: t, dx: t[0] - v.foot[0], dy: t[1] - v.foot[1] }
      : { from: at, at };
  }

  function carry(at) {
    drag.at = at;
    if (mode === "move") {
      const aim = [drag.start[0] + at[0] - drag.from[0], drag.start[1] + at[1] - drag.from[1]];
      drag.dx = aim[0] - v.foot[0];
      drag.dy = aim[1] - v.foot[1];
      trigger("drag", { x: aim[0], y: aim[1] });
    }
    draw();
  }

  function finish() {
    const d = drag;
    drag = null;
    if (mode === "box") {
      if (Math.abs(d.at[0] - d.from[0]) >= 4 && Math.abs(d.at[1] - d.from[1]) >= 4)
        send({ x0: d.from[0], y0: d.from[1], x1: d.at[0], y1: d.at[1] });
    } else if (d.at !== d.from) {
      v.target = [v.foot[0] + d.dx, v.foot[1] + d.dy];
      trigger("drop", { x: v.target[0], y: v.target[1] });
    }
    draw();
  }

  let pressed = null;
  frame.addEventListener("pointerdown", (e) => {
    if (!v || e.button > 0 || working()) return;
    cross = null;
    pressed = [e.clientX, e.clientY];
    if (mode === "box" || (mode === "move" && v.foot)) {
      frame.setPointerCapture(e.pointerId);
      begin(pixel(e, mode === "box"));
    }
  });
  frame.addEventListener("pointermove", (e) => {
    if (drag) carry(pixel(e, mode === "box"));
    else if (v && mode === "thing" && !working()) show_thing(thing_at(pixel(e)));
  });
  frame.addEventListener("pointerleave", () => pointed && show_thing(null));
  frame.addEventListener("pointerup", (e) => {
    if (drag) finish();
    else if (pressed && Math.hypot(e.clientX - pressed[0], e.clientY - pressed[1]) < 8) point(pixel(e), e.shiftKey);
    pressed = null;
  });
  frame.addEventListener("pointercancel", () => ((drag = pressed = null), draw()));

  function point([x, y], shift) {
    if (mode === "thing") return pick_thing([x, y], shift);
    if (mode !== "add" && mode !== "not") return;
    const positive = (mode === "add") !== shift;
    later.push([x, y, positive]); // seen at once; the server's answer replaces it
    v.clicks.push(later.at(-1));
    send();
    if (!redraw) redraw = requestAnimationFrame(() => ((redraw = 0), draw()));
  }

  function send(box) {
    if (box) boxed = box, later.length = 0; // a box drawn after the clicks stands for what was meant
    if (awaited || !v) return;
    frame.setAttribute("aria-busy", Boolean(boxed || later.length));
    if (!boxed && !later.length) return;
    awaited = message = Math.max(message + 1, Date.now());
    clearTimeout(patience);
    patience = setTimeout(() => ((awaited = 0), send()), PATIENCE); // the answer was lost on its way
    if (boxed) trigger("frame", { ...boxed, message });
    else trigger("point", { clicks: later.splice(0), message });
    boxed = null;
  }

  function answered(heard) {
    if (!awaited || heard < awaited) return;
    awaited = 0;
    clearTimeout(patience);
    if (working()) later.length = 0, (boxed = null); // the server would refuse them
    v.clicks.push(...later);
    send();
  }

  // --- keyboard ------------------------------------------------------------------------------------------------
  frame.addEventListener("keydown", (e) => {
    if (!v || working()) return;
    const step = (e.altKey ? 1 : 8) * Math.max(1, v.width / 832);
    const by = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] }[e.key];
    if (by && mode === "move" && v.foot) {
      begin(v.target || v.foot);
      carry([drag.from[0] + by[0], drag.from[1] + by[1]]);
      finish();
    } else if (by) {
      cross = cross || [v.width / 2, v.height / 2];
      cross = [clamp(cross[0] + by[0], 0, v.width - 1), clamp(cross[1] + by[1], 0, v.height - 1)];
      if (mode === "thing") show_thing(thing_at(cross));
      draw();
    } else if (e.key === "Enter" && cross && mode !== "move") {
      if (mode !== "box") point(cross, e.shiftKey);
      else if (!corner) corner = [...cross];
      else {
        send({ x0: corner[0], y0: corner[1], x1: cross[0], y1: cross[1] });
        corner = null;
      }
    } else if (e.key === "Escape") {
      drag = corner = cross = null;
      draw();
    } else return;
    e.preventDefault();
  });
  frame.addEventListener("focus", draw);
  frame.addEventListener("blur", draw);

  // --- what the server says ------------------------------------------------------------------------------------
  const show = (img, url) => {
    if (url && img.getAttribute("src") !== url) img.src = url;
    img.hidden = !url;
  };

  async function update() {
    const next = props.value;
    element.classList.toggle("empty", !next || !next.image);
    v = next && next.image ? { ...next, clicks: [...next.clicks] } : null;
    if (!v) return frame.setAttribute("aria-busy", false), (later.length = awaited = 0), (boxed = null);
    answered(v.heard);
    const mine = v;
    frame.style.aspectRatio = `${v.width} / ${v.height}`;
    // a portrait picture must not be taller than the screen
    frame.style.maxWidth = `min(100%, calc(78vh * ${v.width / v.height}))`;
    show(base, v.image);
    show(shown, v.preview);
    if (v.mask) {
      const mask = new Image();
      mask.src = v.mask;
      await mask.decode().catch(() => {});
      if (mine !== v) return;
      ({ tint, ring } = outline(mask));
    } else ring = tint = null;
    for (const n of ["not", "move"]) buttons[n].disabled = !v.mask;
    if (buttons[mode].disabled) choose("add");
    draw();
  }

  buttons.thing.hidden = true;
  new ResizeObserver(draw).observe(frame);
  choose("add");
  watch("value", update);
  update();
}
