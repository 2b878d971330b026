// The timeline: where the camera goes, what it will see, and the keys that it follows.
//
// In:  props.value = { frames, fps, keys: [{frame, at, mm, easing}], length, loop, speed, stale, known, seen, through,
//                      says, doubts, sheet: {url, columns, count, width, height} | null, film, chosen }
//      (see editing/panels/timeline.py; `frame` counts at speed 1, `at` in the clip)
// Out: events "look" {} (the plan is out of date), "edit" {do, key, frame, value, view}

const EASINGS = [
  ["smooth", "without a stop"],
  ["gentle", "starts and stops gently"],
  ["gather", "starts gently"],
  ["settle", "stops gently"],
  ["even", "straight, at an even speed"],
];

function mountTimeline(element, props, trigger, watch) {
  const $ = (s) => element.querySelector(s);
  const lane = $(".tl-lane"), track = $(".tl-track"), play = $(".tl-play"), head = $(".tl-head"), time = $(".tl-time");
  const canvas = $(".tl-screen canvas"), film = $(".tl-screen video"), graph = $(".tl-graph"), key = $(".tl-key");
  let v = null, chosen = -1, running = false, drag = null, sheet = null, waiting = 0, asked = "";
  const marks = [];

  const working = () => document.querySelector(".note.working"); // the dock says so; changes would be refused
  const clamp = (a, low, high) => Math.min(Math.max(a, low), high);
  const now = () => Number(head.value);
  const left = (frame) => `${(100 * frame) / Math.max(v.frames - 1, 1)}%`;
  const seconds = (frames) => `${(frames / v.fps).toFixed(2)} s`;

  function edit(what) {
    if (!v || working()) return;
    stop();
    trigger("edit", what);
  }

  // What a person is typing stays when a new value comes.
  const typing = new Set();
  for (const field of [".tl-speed", ".tl-at", ".tl-mm"]) {
    $(field).addEventListener("input", () => typing.add(field));
    for (const end of ["change", "blur"]) $(field).addEventListener(end, () => typing.delete(field));
  }

  function show(field, value) {
    if (!typing.has(field)) $(field).value = value;
  }

  // --- what is shown -------------------------------------------------------------------------------------------
  function update() {
    const fresh = props.value;
    if (v && fresh && fresh.scene === v.scene && fresh.turn < v.turn) return; // an older answer came later
    v = fresh && fresh.frames ? fresh : null;
    element.classList.toggle("empty", !v);
    if (!v) return;
    const before = chosen;
    if (Number.isInteger(v.chosen)) chosen = v.chosen;
    chosen = Math.min(chosen, v.keys.length - 1);
    if (chosen !== before) for (const field of [".tl-at", ".tl-mm"]) typing.delete(field); // meant for another key
    element.classList.toggle("stale", v.stale);
    head.max = v.frames - 1;
    head.value = Math.min(now(), v.frames - 1);
    $(".tl-loop").checked = v.loop;
    show(".tl-speed", v.speed);
    for (const s of [".tl-loop", ".tl-speed"]) $(s).disabled = !v.keys.length;
    $(".tl-make").hidden = v.keys.length > 0;
    $(".tl-drop").hidden = !v.keys.length;
    drawGraph();
    placeMarks();
    showKey();
    $(".tl-says").replaceChildren(...v.doubts.map((t) => line(t, "doubt")), ...v.says.map((t) => line(t, "")));
    if (v.film !== (film.dataset.url || null)) showFilm();
    load();
    seek(now());
    ask();
  }

  function line(text, kind) {
    const li = document.createElement("li");
    li.className = kind;
    li.textContent = text;
    return li;
  }

  // An outdated plan is asked for once it can be seen and nothing else is under way.
  function ask() {
    clearTimeout(waiting);
    if (!v || !v.stale || !seen) return;
    waiting = setTimeout(() => (working() ? ask() : trigger("look", {})), asked === v.token ? 1500 : 60);
    asked = v.token;
  }
  let seen = false;
  new IntersectionObserver(([e]) => ((seen = e.isIntersecting), ask())).observe(element);

  // --- the graph: how much of each frame was seen, how much is filled in -----------------------------------------
  function drawGraph() {
    const n = v.known.length;
    const area = (values) =>
      n < 2 ? "" : `M0 40 ${values.map((y, k) => `L${(k / (n - 1)) * 100} ${(40 - 40 * y).toFixed(2)}`).join(" ")} L100 40 Z`;
    $(".tl-known").setAttribute("d", area(v.known));
    $(".tl-seen").setAttribute("d", area(v.seen));
    const worst = n ? Math.min(...v.seen) : 1;
    graph.setAttribute("aria-label", n ? `Of every frame at least ${Math.round(100 * worst)}% was seen in a picture.` : "How much of each frame was seen: not known yet.");
    const walls = $(".tl-walls");
    walls.replaceChildren(
      ...v.through.map((f) => {
        const mark = document.createElement("i");
        mark.style.left = left(f);
        return mark;
      }),
    );
    $(".tl-end").textContent = seconds(v.frames - 1);
  }

  // --- keys ------------------------------------------------------------------------------------------------------
  function placeMarks() {
    while (marks.length > v.keys.length) marks.pop().remove();
    while (marks.length < v.keys.length) marks.push(newMark(marks.length));
    v.keys.forEach((k, i) => {
      const m = marks[i];
      m.style.left = left(k.at);
      m.setAttribute("aria-pressed", i === chosen);
      m.setAttribute("aria-label", `Key ${i + 1} at ${seconds(k.at)}. Arrows move it, D copies, Delete removes.`);
      m.title = `Key ${i + 1}, ${seconds(k.at)}, ${k.mm.toFixed(0)} mm`;
    });
    track.classList.toggle("none", !v.keys.length);
  }

  function newMark(i) {
    const b = document.createElement("button");
    b.type = "button";
    b.className = "tl-mark";
    b.onclick = () => choose(i, true);
    b.addEventListener("pointerdown", (e) => {
      if (working()) return;
      b.setPointerCapture(e.pointerId);
      drag = { i, x: e.clientX, from: v.keys[i].frame, to: v.keys[i].frame };
    });
    b.addEventListener("pointermove", (e) => drag && drag.i === i && slide(i, e.clientX - drag.x));
    b.addEventListener("pointerup", () => drop());
    b.addEventListener("pointercancel", () => ((drag = null), placeMarks()));
    b.addEventListener("keydown", (e) => pressed(e, i));
    track.append(b);
    return b;
  }

  function slide(i, dx) {
    const width = track.clientWidth, frames = (dx / width) * (v.frames - 1) * v.speed;
    shift(i, Math.round(clamp(drag.from + frames, 0, v.length - (v.loop ? 2 : 1))));
  }

  function shift(i, frame) {
    drag.to = frame;
    marks[i].style.left = left(frame / v.speed);
    time.textContent = seconds(frame / v.speed);
    play_at(frame / v.speed);
  }

  function drop() {
    const d = drag;
    drag = null;
    if (d && d.to !== d.from) edit({ do: "move", key: d.i, frame: d.to });
  }

  let settle = 0;
  function pressed(e, i) {
    if (e.ctrlKey || e.metaKey || e.altKey || working()) return;
    const by = { ArrowLeft: -1, ArrowRight: 1 }[e.key];
    if (by) {
      // steps in quick succession are one change
      drag = drag && drag.i === i ? drag : { i, from: v.keys[i].frame, to: v.keys[i].frame };
      shift(i, clamp(drag.to + by * (e.shiftKey ? 10 : 1), 0, 480 * v.speed));
      clearTimeout(settle);
      settle = setTimeout(drop, 450);
    } else if (e.key === "Delete" || e.key === "Backspace") edit({ do: "delete", key: i });
    else if (e.key === "d" || e.key === "D") edit({ do: "duplicate", key: i });
    else if (e.key === "Escape") choose(-1);
    else return;
    e.preventDefault();
    e.stopPropagation();
  }

  function choose(i, go = false) {
    chosen = i;
    placeMarks();
    showKey();
    if (go && i >= 0) seek(Math.round(v.keys[i].at));
  }

  function showKey() {
    const k = v.keys[chosen];
    key.hidden = !k;
    if (!k) return;
    $(".tl-number").textContent = `Key ${chosen + 1} of ${v.keys.length}`;
    show(".tl-at", (k.at / v.fps).toFixed(2));
    show(".tl-mm", k.mm.toFixed(0));
    $(".tl-ease").value = k.easing;
  }

  $(".tl-ease").replaceChildren(
    ...EASINGS.map(([name, says]) => Object.assign(document.createElement("option"), { value: name, textContent: says })),
  );
  $(".tl-ease").onchange = (e) => edit({ do: "ease", key: chosen, value: e.target.value });
  $(".tl-mm").onchange = (e) => edit({ do: "lens", key: chosen, value: Number(e.target.value) });
  $(".tl-at").onchange = (e) => edit({ do: "move", key: chosen, frame: Math.round(Number(e.target.value) * v.fps * v.speed) });
  $(".tl-copy").onclick = () => edit({ do: "duplicate", key: chosen });
  $(".tl-delete").onclick = () => edit({ do: "delete", key: chosen });
  $(".tl-aim").onclick = () => fromSpace((view) => edit({ do: "aim", key: chosen, view }));
  $(".tl-loop").onchange = (e) => edit({ do: "loop", value: e.target.checked });
  $(".tl-speed").onchange = (e) => edit({ do: "speed", value: Number(e.target.value) });
  $(".tl-make").onclick = () => edit({ do: "keys" });
  $(".tl-drop").onclick = () => edit({ do: "drop" });
  $(".tl-add").onclick = () => edit({ do: "add", frame: Math.round(now() * v.speed) });
  $(".tl-space").onclick = () => fromSpace((view) => edit({ do: "add", frame: Math.round(now() * v.speed), view }));

  // What the 3D view shows at this moment.
  function fromSpace(then) {
    const view = document.querySelector(".vp-frame")?.viewport;
    const camera = view && view.value && view.eye && view.eye.camera();
    if (camera) then(camera);
    else $(".tl-says").replaceChildren(line("Scroll to the 3D view first and turn it to what the camera should see.", "doubt"));
  }

  // --- the playhead and the picture --------------------------------------------------------------------------------
  function play_at(frame) {
    $(".tl-needle").style.left = left(clamp(frame, 0, v.frames - 1));
  }

  function seek(frame) {
    head.value = frame;
    time.textContent = `${seconds(frame)}, frame ${frame + 1} of ${v.frames}`;
    play_at(frame);
    paint(frame);
    if (!film.hidden && film.readyState >= 1) film.currentTime = (frame + 0.5) / v.fps;
  }

  function paint(frame) {
    if (!sheet || !sheet.complete || !sheet.naturalWidth || !v.sheet) return;
    const { columns, count, width, height } = v.sheet;
    canvas.dataset.frame = frame;
    const k = Math.round((frame / Math.max(v.frames - 1, 1)) * (count - 1));
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    canvas.getContext("2d").drawImage(sheet, (k % columns) * width, Math.floor(k / columns) * height, width, height, 0, 0, width, height);
  }

  function load() {
    if (!v.sheet) return;
    if (sheet && sheet.dataset.url === v.sheet.url) return;
    sheet = new Image();
    sheet.dataset.url = v.sheet.url;
    sheet.onload = () => paint(now());
    sheet.src = v.sheet.url;
  }

  function showFilm() {
    film.dataset.url = v.film || "";
    film.hidden = !v.film;
    canvas.hidden = Boolean(v.film);
    element.classList.toggle("large", Boolean(v.film));
    if (v.film) film.src = v.film;
    else film.removeAttribute("src");
  }

  function face(on) {
    running = on;
    play.textContent = on ? "\u275a\u275a" : "\u25b6";
    play.setAttribute("aria-label", on ? "Pause the preview" : "Play the preview");
  }

  function stop() {
    face(false);
    film.pause();
  }

  function start() {
    face(true);
    const from = now() >= v.frames - 1 ? 0 : now(), began = performance.now();
    if (!film.hidden) film.play().catch(() => {});
    const tick = (t) => {
      if (!running || !element.isConnected) return;
      const frame = from + Math.floor(((t - began) / 1000) * v.fps);
      if (frame >= v.frames) return seek(v.frames - 1), stop();
      head.value = frame;
      time.textContent = `${seconds(frame)}, frame ${frame + 1} of ${v.frames}`;
      play_at(frame);
      paint(frame);
      requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
  }

  play.onclick = () => v && (running ? stop() : start());
  head.oninput = () => (stop(), seek(now()));
  lane.addEventListener("pointerdown", (e) => {
    if (!v || e.target.closest("button, input")) return;
    const r = track.getBoundingClientRect();
    stop();
    seek(clamp(Math.round(((e.clientX - r.left) / r.width) * (v.frames - 1)), 0, v.frames - 1));
  });

  face(false);
  watch("value", update);
  update();
}
