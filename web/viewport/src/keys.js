// Which key does what: the names are those of SuperSplat, the norm among 3D selection tools.

export const TOOLS = [
  { name: "look", key: "v", label: "Look", sign: "\u25ce", says: "Drag turns the view, right drag shifts it, the wheel goes nearer." },
  { name: "click", key: "k", label: "Thing", sign: "\u2716", says: "Click on a thing: what belongs to it is found." },
  { name: "rectangle", key: "r", label: "Rectangle", sign: "\u25ad", says: "Drag a rectangle around it." },
  { name: "lasso", key: "l", label: "Lasso", sign: "\u25cb", says: "Draw around it." },
  { name: "polygon", key: "p", label: "Polygon", sign: "\u2b20", says: "Click corner by corner; Enter or a double click closes it." },
  { name: "brush", key: "b", label: "Brush", sign: "\u25cf", says: "Paint over it; [ and ] change the brush." },
  { name: "sphere", key: "o", label: "Sphere", sign: "\u25c9", says: "Press on the middle of it and drag outwards." },
  { name: "box", key: "x", label: "Box", sign: "\u25a3", says: "Press on the middle of it and drag outwards." },
  { name: "colour", key: "c", label: "Colour", sign: "\u25d0", says: "Click on a colour; [ and ] say how alike." },
];

export const GIZMOS = [
  { name: "translate", label: "Move", sign: "\u2725", says: "Drag an arrow to move it." },
  { name: "rotate", label: "Turn", sign: "\u21bb", says: "Drag a ring to turn it." },
  { name: "scale", label: "Resize", sign: "\u2922", says: "Drag a handle to make it larger or smaller." },
];

const FLY = { w: [0, 0, 1], s: [0, 0, -1], a: [-1, 0, 0], d: [1, 0, 0], q: [0, 1, 0], e: [0, -1, 0] };
const PLAIN = {
  1: ["gizmo", "translate"],
  2: ["gizmo", "rotate"],
  3: ["gizmo", "scale"],
  f: ["fit"],
  0: ["aboard"],
  i: ["pick", "invert"],
  h: ["object", "hide"],
  u: ["object", "show"],
  g: ["axes"],
  n: ["snap"],
  "?": ["help"],
  t: ["through"],
  "[": ["size", 1 / 1.25],
  "]": ["size", 1.25],
  ",": ["grow", -1],
  ".": ["grow", 1],
  "+": ["zoom", 0.85],
  "=": ["zoom", 0.85],
  "-": ["zoom", 1 / 0.85],
  escape: ["escape"],
  enter: ["enter"],
  delete: ["press", "delete"],
  backspace: ["press", "delete"],
  m: ["press", "move"],
  arrowleft: ["orbit", [-1, 0]],
  arrowright: ["orbit", [1, 0]],
  arrowup: ["orbit", [0, 1]],
  arrowdown: ["orbit", [0, -1]],
};

// What a key asks for, as [name, argument], or null.
export function asked({ key, ctrlKey, metaKey, shiftKey, altKey }) {
  const k = key.toLowerCase();
  if (altKey) return null;
  if (ctrlKey || metaKey) {
    if (k === "z") return ["press", shiftKey ? "redo" : "undo"];
    if (k === "y") return ["press", "redo"];
    if (k === "a") return ["pick", "everything"];
    if (k === "i") return ["pick", "invert"];
    return null;
  }
  if (shiftKey && k === "d") return ["press", "duplicate"];
  if (FLY[k]) return ["fly", FLY[k]];
  const tool = TOOLS.find((t) => t.key === k);
  return tool ? ["tool", tool.name] : PLAIN[k] || null;
}

// How a new shape is put together with what is selected.
export function combination({ shiftKey, ctrlKey, metaKey }, otherwise) {
  const remove = ctrlKey || metaKey;
  if (shiftKey && remove) return "intersect";
  return shiftKey ? "add" : remove ? "subtract" : otherwise;
}

export const HELP = [
  ["Look", [
    ["drag, arrow keys", "turn around the scene"],
    ["right drag, two fingers", "shift the view"],
    ["wheel, pinch, + and \u2212", "nearer, farther"],
    ["W A S D, Q E", "fly, sink, rise"],
    ["F", "fit the selection, or everything"],
    ["0", "stand where the photo was taken"],
  ]],
  ["Select", [
    ["R  L  P  B", "rectangle, lasso, polygon, brush"],
    ["O  X  C  K", "sphere, box, colour, thing"],
    ["V, Esc", "look again; Esc also drops a shape or the selection"],
    ["Shift  Ctrl  both", "add, remove, keep the overlap"],
    ["T", "only what I see, or through"],
    ["I, Ctrl+A", "invert, select all"],
    [",  .", "shrink, grow"],
    ["[  ]", "smaller, larger brush or tolerance"],
  ]],
  ["Change", [
    ["1  2  3", "move, turn, resize the selection"],
    ["G", "handles along the world's axes, or the thing's own"],
    ["N", "go in steps: 15 degrees, tenths"],
    ["M", "keep it there"],
    ["Shift+D", "put a copy there"],
    ["Delete", "delete the selection"],
    ["H  U", "hide the selection, show all"],
    ["Ctrl+Z, Ctrl+Shift+Z", "undo, redo"],
    ["?", "this sheet"],
  ]],
];
