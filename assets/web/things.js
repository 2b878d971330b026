// The things found in the picture: small pictures to pick from, and masks that the stage shows under the pointer.
//
// In:  props.value = [{ name, image, label, mask, share }]  (see editing/panels/things.py)
// Out: event "pick" {name, add}; for the stage "spatia-things" and "spatia-thing-shown", from it "spatia-thing-picked".

function mountThings(element, props, trigger, watch) {
  const strip = element.querySelector(".strip"), how = element.querySelector(".how");
  const tell = (name, detail) => document.dispatchEvent(new CustomEvent(name, { detail }));
  const shown = (name) => tell("spatia-thing-shown", name);
  let turn = 0, known = "";

  const pick = (name, add) => {
    if (document.querySelector(".note.working")) return;
    for (const b of strip.children) b.setAttribute("aria-pressed", b.dataset.name === name);
    trigger("pick", { name, add });
  };
  document.addEventListener("spatia-thing-picked", (e) => pick(e.detail.name, e.detail.add));

  function button({ name, image, label }) {
    const b = document.createElement("button"), picture = document.createElement("img"), text = document.createElement("span");
    b.type = "button";
    b.dataset.name = name;
    b.title = label;
    b.setAttribute("aria-pressed", "false");
    picture.src = image;
    picture.alt = "";
    text.textContent = label;
    b.append(picture, text);
    b.onclick = (e) => pick(name, e.shiftKey);
    b.onpointerenter = b.onfocus = () => shown(name);
    b.onpointerleave = b.onblur = () => shown(null);
    return b;
  }

  // A mask as a picture and as the question whether a place, both coordinates 0 to 1, is in it.
  async function masked({ name, mask, share }) {
    const picture = new Image();
    picture.src = mask;
    await picture.decode();
    const c = document.createElement("canvas"), w = (c.width = picture.width), h = (c.height = picture.height);
    const g = c.getContext("2d");
    g.drawImage(picture, 0, 0);
    const alpha = g.getImageData(0, 0, w, h).data;
    const has = (x, y) => alpha[4 * (Math.min(h - 1, Math.floor(y * h)) * w + Math.min(w - 1, Math.floor(x * w))) + 3] > 0;
    return { name, share, mask: picture, has };
  }

  async function update() {
    const value = props.value || [], all = value.map((t) => t.mask).join();
    if (all === known) return; // the same things again: what is chosen stays chosen
    known = all;
    const mine = ++turn;
    how.hidden = !value.length;
    strip.replaceChildren(...value.map(button));
    const masks = await Promise.all(value.map(masked)).catch(() => []);
    if (mine === turn) tell("spatia-things", masks);
  }

  watch("value", update);
  update();
}
