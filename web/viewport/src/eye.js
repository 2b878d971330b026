// The viewer's eye: it looks at a target from a distance. World axes are the photo's camera: x right, y down, z away.
// Everything here is plain numbers, so it runs without a browser.

const LOWEST = -1.5, HIGHEST = 1.5; // pitch, radians

export const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
export const add = (a, b, s = 1) => [a[0] + s * b[0], a[1] + s * b[1], a[2] + s * b[2]];
const clamp = (v, low, high) => Math.min(Math.max(v, low), high);

export class Eye {
  // photo = { w2c: 16 numbers, lens: [fx, fy, cx, cy], width, height }
  constructor(photo, target, unit) {
    this.home = { photo, target: [...target], unit };
    this.nearest = unit * 1e-3;
    this.size = [photo.width, photo.height];
    this.lens = photo.lens[0] / photo.width;
    this.aspect = photo.width / photo.height;
    this.aboard();
  }

  // Exactly where the photo was taken from; `back` steps aside so that the scene is seen to have depth.
  aboard() {
    const { photo, target } = this.home;
    const m = photo.w2c, R = [m.slice(0, 3), m.slice(4, 7), m.slice(8, 11)], t = [m[3], m[7], m[11]];
    const centre = [0, 1, 2].map((k) => -(R[0][k] * t[0] + R[1][k] * t[1] + R[2][k] * t[2]));
    const forward = R[2];
    this.distance = Math.max(dot(add(target, centre, -1), forward), 10 * this.nearest);
    this.target = add(centre, forward, this.distance);
    this.yaw = Math.atan2(forward[0], forward[2]);
    this.pitch = Math.asin(clamp(-forward[1], -1, 1));
  }

  back() {
    this.aboard();
    this.distance *= 1.55;
    this.yaw -= 0.3;
    this.pitch -= 0.16;
  }

  resize(width, height) {
    this.size = [width, height];
  }

  // Pixels per unit at distance 1: the photo fits into the window.
  get focal() {
    const [w, h] = this.size;
    return this.lens * Math.min(w, h * this.aspect);
  }

  // Rows of the rotation world to camera: right, down, forward.
  get rows() {
    const cy = Math.cos(this.yaw), sy = Math.sin(this.yaw), cp = Math.cos(this.pitch), sp = Math.sin(this.pitch);
    return [[cy, 0, -sy], [sy * sp, cp, cy * sp], [sy * cp, -sp, cy * cp]];
  }

  get centre() {
    return add(this.target, this.rows[2], -this.distance);
  }

  get w2c() {
    const R = this.rows, c = this.centre;
    return [...R.flatMap((r) => [...r, -dot(r, c)]), 0, 0, 0, 1];
  }

  // What the server is told: the same camera as its own code has it.
  camera() {
    const [width, height] = this.size, f = this.focal;
    return { w2c: this.w2c, lens: [f, f, width / 2, height / 2], width, height };
  }

  project(p) {
    const R = this.rows, d = add(p, this.centre, -1), z = dot(R[2], d), f = this.focal;
    return [(dot(R[0], d) / z) * f + this.size[0] / 2, (dot(R[1], d) / z) * f + this.size[1] / 2, z];
  }

  // --- moving ----------------------------------------------------------------------------------------------------
  orbit(dx, dy) {
    this.yaw += dx;
    this.pitch = clamp(this.pitch + dy, LOWEST, HIGHEST);
  }

  // Turns on the spot, as a head does.
  look(dx, dy) {
    const c = this.centre;
    this.orbit(dx, dy);
    this.target = add(c, this.rows[2], this.distance);
  }

  pan(dx, dy) {
    const R = this.rows, s = this.distance / this.focal;
    this.target = add(add(this.target, R[0], -dx * s), R[1], -dy * s);
  }

  // Nearer by a factor, towards the pixel under the pointer.
  zoom(factor, x = this.size[0] / 2, y = this.size[1] / 2) {
    const { unit } = this.home, before = this.distance;
    this.distance = clamp(before * factor, unit * 0.02, unit * 60);
    const change = before - this.distance, f = this.focal, R = this.rows;
    this.target = add(add(this.target, R[0], ((x - this.size[0] / 2) / f) * change), R[1], ((y - this.size[1] / 2) / f) * change);
  }

  fly(right, down, forward, seconds) {
    const R = this.rows, s = this.home.unit * 0.7 * seconds;
    for (const [k, v] of [right, down, forward].entries()) this.target = add(this.target, R[k], v * s);
  }

  // The whole box in sight, seen from the same side.
  fit(low, high) {
    const middle = low.map((v, k) => (v + high[k]) / 2), half = Math.hypot(...low.map((v, k) => high[k] - v)) / 2;
    this.target = middle;
    const room = Math.min(...this.size) / 2 / this.focal;
    this.distance = Math.max((half / room) * 1.15, this.home.unit * 0.05);
  }
}

// A polyline in pixels, cut where it passes behind the eye: a list of [x0, y0, x1, y1].
export function segments(eye, points, closed = false) {
  const R = eye.rows, c = eye.centre, f = eye.focal, [w, h] = eye.size, near = eye.nearest;
  const local = points.map((p) => {
    const d = add(p, c, -1);
    return [dot(R[0], d), dot(R[1], d), dot(R[2], d)];
  });
  const out = [];
  for (let i = closed ? 0 : 1; i < local.length; i++) {
    let a = local[(i + local.length - 1) % local.length], b = local[i];
    if (a[2] < near && b[2] < near) continue;
    const cut = (p, q) => add(p, add(q, p, -1), (near - p[2]) / (q[2] - p[2]));
    if (a[2] < near) a = cut(a, b);
    else if (b[2] < near) b = cut(b, a);
    out.push([(a[0] / a[2]) * f + w / 2, (a[1] / a[2]) * f + h / 2, (b[0] / b[2]) * f + w / 2, (b[1] / b[2]) * f + h / 2]);
  }
  return out;
}

// The corners of a camera's pyramid at a depth: its centre first, then its four corners.
export function pyramid(camera, depth) {
  const m = camera.w2c, [fx, fy, cx, cy] = camera.lens;
  const R = [m.slice(0, 3), m.slice(4, 7), m.slice(8, 11)];
  const c = [0, 1, 2].map((k) => -(R[0][k] * m[3] + R[1][k] * m[7] + R[2][k] * m[11]));
  const corner = (u, v) => {
    const d = [((u - cx) / fx) * depth, ((v - cy) / fy) * depth, depth];
    return [0, 1, 2].map((k) => c[k] + R[0][k] * d[0] + R[1][k] * d[1] + R[2][k] * d[2]);
  };
  const { width: w, height: h } = camera;
  return [c, corner(0, 0), corner(w, 0), corner(w, h), corner(0, h)];
}
