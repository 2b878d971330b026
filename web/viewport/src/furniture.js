// The buttons, the legend and the help sheet around the view.

import { GIZMOS, HELP, TOOLS } from "./keys.js";
import { ORIGINS, heat } from "./looks.js";

export function element(tag, props = {}, ...children) {
  const { dataset, ...rest } = props;
  const e = Object.assign(document.createElement(tag), rest);
  Object.assign(e.dataset, dataset || {});
  e.append(...children);
  return e;
}

function button(className, label, title, onclick) {
  const b = element("button", { type: "button", className, title, onclick });
  b.append(label);
  return b;
}

const group = (label, ...children) => {
  const g = element("div", { className: "vp-group" }, ...children);
  g.setAttribute("role", "group");
  g.setAttribute("aria-label", label);
  return g;
};

export function furniture(root, act) {
  const pressed = (buttons, chosen) => {
    for (const [name, b] of Object.entries(buttons)) b.setAttribute("aria-pressed", name === chosen);
  };
  const tools = Object.fromEntries(TOOLS.map((t) => {
    const b = button(`vp-tool vp-tool-${t.name}`, "", `${t.says} Key ${t.key.toUpperCase()}`, () => act("tool", t.name));
    b.innerHTML = `<span aria-hidden="true">${t.sign}</span> ${t.label}`;
    return [t.name, b];
  }));
  const handles = GIZMOS.map((h, k) => {
    const b = button(`vp-tool vp-tool-${h.name}`, "", `${h.says} Key ${k + 1}`, () => act("gizmo", h.name));
    b.innerHTML = `<span aria-hidden="true">${h.sign}</span> ${h.label}`;
    return (tools[h.name] = b);
  });
  const drawing = Object.entries(tools).filter(([name]) => TOOLS.some((t) => t.name === name)).map(([, b]) => b);
  const axes = button("vp-small", "World axes", "Handles along the world's axes, or the thing's own. Key G", () => act("axes"));
  const snap = button("vp-small", "Steps", "Drags go in steps: 15 degrees, tenths of the size and of the depth. Key N", () => act("snap"));
  root.querySelector(".vp-tools").append(group("Tools", ...drawing), group("Handles", ...handles, axes, snap));

  const hows = {
    replace: button("vp-small", "New", "A new shape replaces the selection", () => act("how", "replace")),
    add: button("vp-small", "Add", "A new shape is added. Hold Shift", () => act("how", "add")),
    subtract: button("vp-small", "Remove", "A new shape is taken away. Hold Ctrl", () => act("how", "subtract")),
    intersect: button("vp-small", "Overlap", "Only the overlap is kept. Hold Shift and Ctrl", () => act("how", "intersect")),
  };
  const depths = {
    seen: button("vp-small", "Only what I see", "Shapes select what is in front. Key T", () => act("through", false)),
    through: button("vp-small", "Through", "Shapes select everything behind them too. Key T", () => act("through", true)),
  };
  const grow = [
    button("vp-small", "Shrink", "The selection's border further in. Key ,", () => act("grow", -1)),
    button("vp-small", "Grow", "The selection's border further out. Key .", () => act("grow", 1)),
    button("vp-small", "Invert", "What is not selected. Key I", () => act("pick", "invert")),
  ];
  const looks = {
    photo: button("vp-small", "Photo", "The colours as they are", () => act("looks", "photo")),
    origin: button("vp-small", "Origin", "Where every point comes from", () => act("looks", "origin")),
    trust: button("vp-small", "Confidence", "How far every point is to be believed", () => act("looks", "trust")),
  };
  root.querySelector(".vp-select").append(
    group("A new shape", ...Object.values(hows)), group("Depth of a shape", ...Object.values(depths)), group("The selection", ...grow),
  );
  const changes = [
    button("vp-small", "Delete", "The selection is deleted and what was behind it filled in. Key Delete", () => act("press", "delete")),
    button("vp-small", "Move it here", "The selection stays where the handles took it. Key M", () => act("press", "move")),
    button("vp-small", "Copy it here", "A copy stands where the handles took it. Shift+D", () => act("press", "duplicate")),
    button("vp-small", "Hide", "The selection is left out of the view. Key H; U shows all", () => act("object", "hide")),
  ];
  root.querySelector(".vp-views").append(
    group("Colours", ...Object.values(looks)),
    group("Change", ...changes),
    group("View",
      button("vp-small", "Fit", "The selection, or everything. Key F", () => act("fit")),
      button("vp-small", "Photo's view", "Where the photo was taken. Key 0", () => act("aboard")),
      button("vp-small", "Picture", "Saves what is seen as a PNG", () => act("shoot")),
      button("vp-small vp-help-button", "Keys", "All keys. Key ?", () => act("help")),
    ),
  );
  return {
    tools,
    grow,
    handles: (local, steps) => {
      axes.textContent = local ? "Own axes" : "World axes";
      axes.setAttribute("aria-pressed", local);
      snap.setAttribute("aria-pressed", steps);
    },
    tool: (name) => pressed(tools, name),
    how: (name) => pressed(hows, name),
    depth: (through) => pressed(depths, through ? "through" : "seen"),
    looks: (name) => pressed(looks, name),
  };
}

// The legend of a look; origins can be switched off there.
export function legend(root, look, hidden, toggle) {
  const box = root.querySelector(".vp-legend");
  box.hidden = look === "photo";
  if (look === "origin") {
    box.replaceChildren(...ORIGINS.map((o, k) => {
      const b = button("vp-key", "", hidden[k] ? "Show these points" : "Hide these points", () => toggle(k));
      b.setAttribute("aria-pressed", !hidden[k]);
      b.append(element("i", { style: `background: rgb(${o.rgb})` }), `${o.name}: ${o.says}`);
      return b;
    }));
  } else if (look === "trust") {
    const stops = [0, 0.25, 0.5, 0.75, 1].map((s) => `rgb(${heat(s)})`).join(", ");
    const bar = element("i", { className: "vp-heat", style: `background: linear-gradient(90deg, ${stops})` });
    box.replaceChildren("Invented ", bar, " measured");
  }
}

export function helpSheet(root) {
  const sheet = root.querySelector(".vp-help");
  sheet.setAttribute("role", "dialog");
  sheet.setAttribute("aria-label", "Keys of the 3D view");
  for (const [title, rows] of HELP) {
    const list = element("dl", {}, ...rows.flatMap(([keys, says]) => [element("dt", { textContent: keys }), element("dd", { textContent: says })]));
    sheet.append(element("section", {}, element("h3", { textContent: title }), list));
  }
  return sheet;
}
