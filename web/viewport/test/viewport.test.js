// The parts of the view that need no browser: `node --test`.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Eye, add, dot, pyramid, segments } from "../src/eye.js";
import { asked, combination, HELP, TOOLS } from "../src/keys.js";
import { coloured, heat, ORIGINS } from "../src/looks.js";
import { Outbox } from "../src/outbox.js";
import { splat } from "../src/painter.js";
import { BLOCK, Points, readBits, Reader, readHeader } from "../src/payload.js";
import { axisAngle, carried, pose, shifted, sizeOf, turnOf } from "../src/pose.js";
import { Shape } from "../src/shapes.js";

const PHOTO = { w2c: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1], lens: [100, 100, 80, 45], width: 160, height: 90 };
const eye = () => new Eye(PHOTO, [0, 0, 2], 2);
const close = (a, b, within = 1e-9) => a.forEach((v, k) => assert.ok(Math.abs(v - b[k]) <= within, `${a} is not ${b}`));

// --- payload ---------------------------------------------------------------------------------------------------------

function file(n) {
  const blocks = [];
  for (let start = 0; start < n; start += BLOCK) {
    const k = Math.min(BLOCK, n - start), block = new ArrayBuffer(16 * k), ids = Array.from({ length: k }, (_, i) => start + i);
    new Uint32Array(block, 0, k).set(ids.map((i) => ((i % 2048) | ((5 & 0x7ff) << 21)) >>> 0));
    new Uint32Array(block, 4 * k, k).set(ids.map((i) => (((2 ** 20) >>> 11) | (i << 10)) >>> 0));
    new Uint32Array(block, 8 * k, k).set(ids.map((i) => (((i % 3) << 30) | (63 << 24) | 0x0a141e) >>> 0));
    new Uint16Array(block, 12 * k, k).set(ids.map((i) => i % 65536));
    new Int16Array(block, 14 * k, k).set(ids.map((i) => -(i % 7)));
    blocks.push(Buffer.from(block));
  }
  const head = Buffer.alloc(40);
  head.write("SPV1");
  head.writeUInt32LE(n, 4);
  [10, 20, 30, 1, 1, 1, 0, 0.001].forEach((v, k) => head.writeFloatLE(v, 8 + 4 * k));
  return Buffer.concat([head, ...blocks]);
}

for (const piece of [7, 1000, 1 << 22]) {
  test(`points are read in pieces of ${piece} bytes`, () => {
    const n = piece === 7 ? 50 : BLOCK + 11, bytes = new Uint8Array(file(n));
    let told = 0;
    const reader = new Reader(() => told++);
    for (let at = 0; at < bytes.length; at += piece) reader.feed(bytes.subarray(at, at + piece));
    assert.ok(reader.done);
    assert.equal(told, n > BLOCK ? 2 : 1);
    const p = reader.points, i = n - 1;
    close([...p.xyz.subarray(3 * i, 3 * i + 3)], [10 + (i % 2048), 20 + 5 + 2 ** 20, 30 + i], 0.5);
    assert.equal(p.colour[i], 0xff0a141e);
    assert.equal(p.provenance[i], i % 3);
    assert.equal(p.confidence[i], 63);
    assert.equal(p.object[i], -(i % 7) + 0);
    assert.ok(Math.abs(p.radius[i] - Math.exp(0.001 * (i % 65536))) < 1e-3 * p.radius[i]);
  });
}

test("another file is refused", () => assert.throws(() => readHeader(new Uint8Array(64)), /not a memory/));

test("a cut file is noticed", () => {
  const reader = new Reader();
  reader.feed(new Uint8Array(file(20)).subarray(0, 300));
  assert.equal(reader.done, false);
});

test("bits are read low first, missing ones are zero", () => {
  assert.deepEqual([...readBits(new Uint8Array([0b00000101, 0b1]), 10)], [1, 0, 1, 0, 0, 0, 0, 0, 1, 0]);
  assert.deepEqual([...readBits(new Uint8Array([255]), 10)], [1, 1, 1, 1, 1, 1, 1, 1, 0, 0]);
});

// --- eye -------------------------------------------------------------------------------------------------------------

test("at home the eye is the photo's camera", () => {
  const e = eye();
  close(e.w2c, PHOTO.w2c);
  close(e.camera().lens, PHOTO.lens);
  close(e.project([0.5, 0.25, 2]), [80 + 25, 45 + 12.5, 2]);
});

test("a turned photo's camera is met as well", () => {
  const a = 0.4, b = -0.3, c = Math.cos(a), s = Math.sin(a), d = Math.cos(b), t = Math.sin(b);
  const w2c = [c, 0, -s, 0.5, s * t, d, c * t, -1, s * d, -t, c * d, 2, 0, 0, 0, 1];
  close(new Eye({ ...PHOTO, w2c }, [0, 0, 5], 2).w2c, w2c, 1e-9);
});

test("w2c stays a rigid motion whatever one does", () => {
  const e = eye();
  e.back(), e.orbit(2.1, -5), e.pan(40, -10), e.zoom(0.4, 10, 20), e.fly(1, 1, 1, 0.3), e.look(0.2, 0.1);
  const [r, d, f] = e.rows;
  for (const v of [r, d, f]) assert.ok(Math.abs(dot(v, v) - 1) < 1e-12);
  close([dot(r, d), dot(r, f), dot(d, f)], [0, 0, 0], 1e-12);
  assert.ok(Math.abs(r[0] * (d[1] * f[2] - d[2] * f[1]) - r[1] * (d[0] * f[2] - d[2] * f[0]) + r[2] * (d[0] * f[1] - d[1] * f[0]) - 1) < 1e-12);
});

test("orbiting keeps the target in the middle at its distance", () => {
  const e = eye();
  e.orbit(0.7, 0.3);
  close(e.project([0, 0, 2]), [80, 45, 2], 1e-9);
});

test("zooming keeps what is under the pointer there", () => {
  const e = eye(), x = 120, y = 30, before = [(x - 80) / 100 * 2, (y - 45) / 100 * 2, 2];
  e.zoom(0.5, x, y);
  close(e.project(before).slice(0, 2), [x, y], 1e-9);
});

test("panning moves the target with the hand", () => {
  const e = eye();
  e.pan(13, -7);
  close(e.project([0, 0, 2]).slice(0, 2), [93, 38], 1e-9);
});

test("the photo fits into a window of any shape", () => {
  for (const [w, h] of [[1200, 600], [390, 700], [160, 90]]) {
    const e = eye();
    e.resize(w, h);
    const [x0, y0] = e.project([-1.6, -0.9, 2]), [x1, y1] = e.project([1.6, 0.9, 2]);
    assert.ok(x0 >= -1e-6 && y0 >= -1e-6 && x1 <= w + 1e-6 && y1 <= h + 1e-6);
    assert.ok(Math.abs(x1 - x0 - w) < 1e-6 || Math.abs(y1 - y0 - h) < 1e-6);
  }
});

test("fit brings a box into sight", () => {
  const e = eye();
  e.fit([3, -1, 8], [4, 1, 9]);
  for (const p of [[3, -1, 8], [4, 1, 9], [4, -1, 8], [3, 1, 9]]) {
    const [x, y, z] = e.project(p);
    assert.ok(z > 0 && x > 0 && x < 160 && y > 0 && y < 90);
  }
});

test("lines are cut where they pass behind the eye", () => {
  const e = eye();
  assert.equal(segments(e, [[0, 0, -1], [1, 0, -2]]).length, 0);
  const [[x0, y0, x1, y1]] = segments(e, [[0.1, 0, -1], [0.1, 0, 3]]);
  assert.ok([x0, y0, x1, y1].every(Number.isFinite));
  close([x1, y1], e.project([0.1, 0, 3]).slice(0, 2), 1e-9);
});

test("a camera's pyramid opens as its lens does", () => {
  const [c, a, , d] = pyramid(PHOTO, 2);
  close(c, [0, 0, 0]);
  close(add(d, a, -1), [3.2, 1.8, 0]);
});

// --- keys ------------------------------------------------------------------------------------------------------------

test("every tool has its own key, and flying keys are nobody else's", () => {
  const keys = TOOLS.map((t) => t.key);
  assert.equal(new Set(keys).size, keys.length);
  assert.ok(keys.every((k) => !"wasdqefhitmugn0123".includes(k)));
});

test("keys mean what the sheet says", () => {
  const of = (key, more = {}) => asked({ key, ctrlKey: false, metaKey: false, shiftKey: false, altKey: false, ...more });
  assert.deepEqual(of("R"), ["tool", "rectangle"]);
  assert.deepEqual(of("l"), ["tool", "lasso"]);
  assert.deepEqual(of("p"), ["tool", "polygon"]);
  assert.deepEqual(of("b"), ["tool", "brush"]);
  assert.deepEqual(of("o"), ["tool", "sphere"]);
  assert.deepEqual(of("1"), ["gizmo", "translate"]);
  assert.deepEqual(of("2"), ["gizmo", "rotate"]);
  assert.deepEqual(of("3"), ["gizmo", "scale"]);
  assert.deepEqual(of("h"), ["object", "hide"]);
  assert.deepEqual(of("u"), ["object", "show"]);
  assert.deepEqual(of("?", { shiftKey: true }), ["help"]);
  assert.deepEqual(of("D", { shiftKey: true }), ["press", "duplicate"]);
  assert.deepEqual(of("f"), ["fit"]);
  assert.deepEqual(of("Escape"), ["escape"]);
  assert.deepEqual(of("Delete"), ["press", "delete"]);
  assert.deepEqual(of("z", { ctrlKey: true }), ["press", "undo"]);
  assert.deepEqual(of("Z", { ctrlKey: true, shiftKey: true }), ["press", "redo"]);
  assert.deepEqual(of("a", { metaKey: true }), ["pick", "everything"]);
  assert.deepEqual(of("i"), ["pick", "invert"]);
  assert.deepEqual(of("w"), ["fly", [0, 0, 1]]);
  assert.equal(of("c", { ctrlKey: true }), null, "copying must stay the browser's");
  assert.equal(of("Tab"), null, "nobody is held in the view");
  assert.ok(HELP.flatMap(([, rows]) => rows).every(([keys, says]) => keys && says));
});

test("Shift adds, Ctrl removes, both keep the overlap", () => {
  const how = (shiftKey, ctrlKey) => combination({ shiftKey, ctrlKey, metaKey: false }, "replace");
  assert.deepEqual([how(false, false), how(true, false), how(false, true), how(true, true)], ["replace", "add", "subtract", "intersect"]);
});

// --- messages --------------------------------------------------------------------------------------------------------

test("what is drawn before the answer goes along with the next message", () => {
  const sent = [];
  const box = new Outbox((items, number) => sent.push([items, number]));
  for (let i = 0; i < 1000; i++) box.push(i);
  assert.deepEqual(sent.map(([items]) => items), [[0]]);
  box.answered(sent[0][1] - 1);
  assert.equal(sent.length, 1, "the answer to an older message says nothing");
  box.answered(sent[0][1]);
  assert.equal(sent.length, 2);
  assert.equal(sent[1][0].length, 999);
  assert.ok(sent[1][1] > sent[0][1]);
  box.push("later");
  box.clear();
  box.push("new");
  assert.deepEqual(sent[2][0], ["new"]);
  box.clear();
});

// --- shapes ----------------------------------------------------------------------------------------------------------

function drawn(kind, ...points) {
  const s = new Shape(kind, points[0], 20);
  points.slice(1).forEach((p) => s.carry(p));
  return s.message();
}

test("shapes say what was drawn, slips say nothing", () => {
  assert.deepEqual(drawn("rectangle", [10, 10], [50, 40]), { kind: "rectangle", points: [[10, 10], [50, 40]] });
  assert.equal(drawn("rectangle", [10, 10], [11, 60]), null);
  assert.equal(drawn("lasso", [10, 10], [10.5, 10]), null);
  assert.equal(drawn("lasso", [0, 0], [9, 0], [9, 9]).points.length, 3);
  assert.deepEqual(drawn("sphere", [10, 10], [13, 14]), { kind: "sphere", at: [10, 10], size: 5 });
  assert.equal(drawn("box", [10, 10], [11, 11]), null);
  assert.deepEqual(drawn("brush", [10, 10]), { kind: "brush", points: [[10, 10]], size: 20 });
  assert.deepEqual(drawn("colour", [3, 4]), { kind: "colour", at: [3, 4], tolerance: 20 });
  assert.deepEqual(drawn("click", [3, 4]), { kind: "click", at: [3, 4] });
});

test("a polygon closes on its first corner", () => {
  const s = new Shape("polygon", [10, 10], 0);
  for (const p of [[60, 10], [60, 60]]) s.carry(p), s.corner(p);
  s.carry([30, 30]);
  assert.equal(s.closes, false);
  s.carry([13, 12]);
  assert.equal(s.closes, true);
  assert.equal(s.message().points.length, 3);
});

// --- looks and painting ----------------------------------------------------------------------------------------------

function three() {
  const p = new Points(3);
  p.xyz.set([0, 0, 2, 0, 0, 3, 0.5, 0, 2]);
  p.radius.fill(0.05);
  p.colour.set([0xff0000ff, 0xff00ff00, 0xffff0000]);
  p.provenance.set([0, 1, 2]);
  p.confidence.set([63, 0, 30]);
  p.ready = 3;
  return p;
}

test("looks colour points, hide origins and tint the selection", () => {
  const p = three();
  assert.deepEqual([...coloured(p, "photo", null, [false, false, false])], [...p.colour]);
  assert.equal(coloured(p, "photo", null, [false, true, false])[1], 0);
  const trust = coloured(p, "trust", null, [false, false, false]);
  const [r, g, b] = heat(1);
  assert.equal(trust[0], ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0);
  assert.notEqual(trust[0], trust[1]);
  const tinted = coloured(p, "photo", new Uint8Array([0, 1, 0]), [false, false, false]);
  assert.equal(tinted[0], p.colour[0]);
  assert.notEqual(tinted[1], p.colour[1]);
  assert.equal(new Set(coloured(p, "origin", null, [false, false, false])).size, ORIGINS.length);
});

test("the nearest point wins, hidden ones are not drawn, moved ones are elsewhere", () => {
  const p = three(), e = eye(), size = { eye: e, swell: 1, width: 160, height: 90 };
  const paint = (shown, moved = null, by = null) => {
    const pixels = new Uint32Array(160 * 90).fill(7), depth = new Float32Array(160 * 90).fill(Infinity);
    splat({ ...size, pixels, depth }, p, shown, 3, moved, by);
    return (x, y) => pixels[y * 160 + x];
  };
  assert.equal(paint(p.colour)(80, 45), 0xff0000ff);
  assert.equal(paint(Uint32Array.from([0, ...p.colour.subarray(1)]))(80, 45), 0xff00ff00);
  const at = paint(p.colour, new Uint8Array([1, 0, 0]), shifted([-0.5, 0, 0]));
  assert.equal(at(55, 45), 0xff0000ff);
  assert.equal(at(80, 45), 0xff00ff00);
  assert.equal(at(0, 0), 7);
});

test("hidden things are not coloured", () => {
  const p = three();
  const out = coloured(p, "photo", null, [false, false, false], new Uint32Array(3), new Uint8Array([0, 1, 0]));
  assert.deepEqual([...out], [p.colour[0], 0, p.colour[2]]);
});

// --- where the selection is taken ------------------------------------------------------------------------------------

const quarter = [0, Math.SQRT1_2, 0, Math.SQRT1_2]; // a quarter turn about y

test("a pose turns and resizes about its pivot, then shifts", () => {
  const m = pose(quarter, 2, [1, 1, 1], [5, 1, 1]);
  close(carried(m, [1, 1, 1]), [5, 1, 1], 1e-12);
  close(carried(m, [2, 1, 1]), [5, 1, -1], 1e-12);
  close(carried(m, [1, 2, 1]), [5, 3, 1], 1e-12);
  close(carried(shifted([1, 2, 3]), [4, 5, 6]), [5, 7, 9]);
});

test("a pose gives its turn and size back, whichever way it turns", () => {
  for (const q of [[0, 0, 0, 1], quarter, [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0.5, 0.5, 0.5, 0.5], [-0.1, 0.7, 0.7, 0.1]]) {
    const n = Math.hypot(...q), unit = q.map((v) => v / n), m = pose(unit, 0.7, [1, 2, 3], [3, 2, 1]), back = turnOf(m);
    assert.ok(Math.abs(sizeOf(m) - 0.7) < 1e-12);
    assert.ok(Math.abs(Math.abs(unit.reduce((s, v, k) => s + v * back[k], 0)) - 1) < 1e-9, `${unit} came back as ${back}`);
  }
});

test("a turn is told as axis times angle, at most half around", () => {
  close(axisAngle(quarter), [0, Math.PI / 2, 0], 1e-12);
  close(axisAngle(quarter.map((v) => -v)), [0, Math.PI / 2, 0], 1e-12);
  close(axisAngle([0, 0, 0, 1]), [0, 0, 0], 1e-12);
});

test("what is turned and resized is painted there", () => {
  const p = three(), e = eye(), pixels = new Uint32Array(160 * 90).fill(7), depth = new Float32Array(160 * 90).fill(Infinity);
  const m = pose(quarter, 2, [0, 0, 2], [0, 0, 2]);
  splat({ eye: e, swell: 1, width: 160, height: 90, pixels, depth }, p, p.colour, 3, new Uint8Array([0, 0, 1]), m);
  const [x, y] = e.project(carried(m, [0.5, 0, 2])), k = Math.floor(y) * 160 + Math.floor(x);
  assert.equal(pixels[45 * 160 + 105], 7, "nothing is left where it was");
  assert.ok(depth[k] < Infinity);
});
