// The player: one or two clips of the same length, in step, behind one play button and one scrubber.
//
// Two clips are shown side by side, wiped, blinking, or as their difference.
// In: props.value = { clips: [{label, url}], fps, frames }   (see editing/panels/pictures.py, editing/sharing/page.py)
// Keys, heard by `keys`: space plays, arrows step, Home and End, 1 to 4 choose the view.

function mountPlayer(element, props, watch, keys = element) {
  const $ = (s) => element.querySelector(s);
  const screen = $(".player-screen"), play = $(".player-play"), scrub = $(".player-scrub"), time = $(".player-time");
  const wipe = $(".player-wipe"), views = $(".player-views"), says = $(".player-says");
  const quiet = window.matchMedia("(prefers-reduced-motion: reduce)");
  const HINTS = {
    side: "",
    wipe: "Drag across the picture.",
    blink: "The clips take turns; tap the picture to switch.",
    difference: "Bright is what differs, eight times amplified; black is equal.",
  };
  let videos = [], urls = [], shown = "", fps = 24, frames = 1, scrubbing = false, blinking = 0;

  const master = () => videos[0];
  const frameNow = () => Math.min(frames - 1, Math.floor(master().currentTime * fps + 0.01));
  const each = (f) => videos.forEach(f);

  // --- in step -------------------------------------------------------------------------------------------------
  function seek(frame) {
    // the middle of a frame: no rounding can show its neighbour
    each((m) => (m.currentTime = (frame + 0.5) / fps));
    label(frame);
  }

  function label(frame) {
    scrub.value = frame;
    time.textContent = `${frame + 1} / ${frames}`;
  }

  function tick() {
    if (!videos.length || master().paused || !element.isConnected) return;
    const t = master().currentTime;
    each((m) => m !== master() && Math.abs(m.currentTime - t) > 0.6 / fps && (m.currentTime = t));
    if (!scrubbing) label(frameNow());
    requestAnimationFrame(tick);
  }

  function start() {
    each((m) => (m.currentTime = master().currentTime));
    Promise.all(videos.map((m) => m.play())).then(tick).catch(() => {});
    face(true);
  }

  function stop() {
    each((m) => m.pause());
    face(false);
  }

  function face(playing) {
    play.textContent = playing ? "\u2016" : "\u25b6";
    play.setAttribute("aria-label", playing ? "Pause" : "Play");
  }

  function again() {
    each((m) => (m.currentTime = 0));
    start();
  }

  // --- loading -------------------------------------------------------------------------------------------------
  async function clip({ label, url }, position) {
    const figure = document.createElement("figure");
    figure.className = `player-clip clip-${position}`;
    const video = document.createElement("video");
    Object.assign(video, { muted: true, playsInline: true, preload: "auto" });
    video.setAttribute("aria-label", `${label} clip`);
    const caption = document.createElement("figcaption");
    caption.textContent = label;
    figure.append(video, caption);
    // the whole file is small; from memory it can be scrubbed without waiting
    video.src = url.startsWith("blob:") ? url : URL.createObjectURL(await (await fetch(url)).blob());
    await new Promise((done) => ((video.onloadeddata = done), (video.onerror = done)));
    return { figure, video };
  }

  async function update() {
    const v = props.value;
    const key = v && v.clips ? v.clips.map((c) => `${c.label} ${c.url}`).join("|") : "";
    element.classList.toggle("empty", !key);
    if (key === shown) return;
    shown = key;
    if (videos.length) stop();
    if (!key) {
      screen.replaceChildren();
      videos = [];
      return;
    }
    const loaded = await Promise.all(v.clips.map((c, i) => clip(c, i)));
    if (shown !== key) return;
    urls.forEach((u) => URL.revokeObjectURL(u));
    ({ fps, frames } = v);
    videos = loaded.map((c) => c.video);
    urls = videos.map((m) => m.src);
    screen.replaceChildren(...loaded.map((c) => c.figure));
    element.classList.toggle("pair", videos.length > 1);
    scrub.max = frames - 1;
    master().onended = again;
    label(0);
    if (quiet.matches) seek(0), face(false);
    else again();
  }

  // --- controls ------------------------------------------------------------------------------------------------
  play.onclick = () => videos.length && (master().paused ? start() : stop());
  scrub.oninput = () => {
    scrubbing = true;
    stop();
    seek(Number(scrub.value));
  };
  scrub.onchange = () => (scrubbing = false);

  function view(name) {
    element.dataset.view = name;
    for (const b of views.children) b.setAttribute("aria-pressed", b.dataset.view === name);
    says.textContent = HINTS[name];
    clearInterval(blinking);
    show(1);
    // under two changes a second: slow enough to be safe for everybody
    if (name === "blink" && !quiet.matches) blinking = setInterval(() => (element.isConnected ? other() : clearInterval(blinking)), 700);
  }
  for (const b of views.children) b.onclick = () => view(b.dataset.view);

  const show = (k) => (element.dataset.shown = k);
  const other = () => show(1 - Number(element.dataset.shown));
  screen.addEventListener("click", () => element.dataset.view === "blink" && (clearInterval(blinking), other()));

  function step(to) {
    stop();
    seek(Math.min(frames - 1, Math.max(0, to)));
  }

  keys.addEventListener("keydown", (e) => {
    const held = e.target.closest("input, textarea, select, [contenteditable]");
    if (!videos.length || held || e.ctrlKey || e.metaKey || e.altKey) return;
    const name = { 1: "side", 2: "wipe", 3: "blink", 4: "difference" }[e.key];
    if (e.key === " " && !e.target.closest("button, a, summary")) play.onclick();
    else if (e.key === "ArrowRight") step(frameNow() + 1);
    else if (e.key === "ArrowLeft") step(frameNow() - 1);
    else if (e.key === "Home") step(0);
    else if (e.key === "End") step(frames - 1);
    else if (name && videos.length > 1) view(name);
    else return;
    e.preventDefault();
  });

  // The wipe: the second clip lies on the first and is cut at the line; the slider carries the keyboard.
  const cut = (share) => screen.style.setProperty("--cut", `${share}%`);
  wipe.oninput = () => cut(wipe.value);
  screen.addEventListener("pointerdown", (e) => element.dataset.view === "wipe" && (screen.setPointerCapture(e.pointerId), slide(e)));
  screen.addEventListener("pointermove", (e) => screen.hasPointerCapture(e.pointerId) && slide(e));
  function slide(e) {
    const r = screen.getBoundingClientRect();
    wipe.value = Math.min(100, Math.max(0, ((e.clientX - r.left) / r.width) * 100));
    cut(wipe.value);
  }

  cut(50);
  view("side");
  watch("value", update);
  update();
}
