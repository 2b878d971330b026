// Points drawn by the processor: the same squares as the server's renderer draws. On a machine without a graphics card
// this is over ten times faster than WebGL in software, and it needs no WebGL at all.

import { sizeOf } from "./pose.js";

const LARGEST = 10; // half side of a square, pixels

export class Painter {
  constructor(canvas) {
    this.canvas = canvas;
    this.g = canvas.getContext("2d", { alpha: false });
  }

  resize(width, height) {
    if (this.width === width && this.height === height) return;
    [this.width, this.height] = [width, height];
    this.canvas.width = width;
    this.canvas.height = height;
    this.image = this.g.createImageData(width, height);
    this.pixels = new Uint32Array(this.image.data.buffer);
    this.depth = new Float32Array(width * height);
  }

  // scene = { points, shown: Uint32Array, moved: Uint8Array | null, pose: see pose.js }; draws the first `count` points.
  draw(eye, scene, count, background) {
    this.pixels.fill(background);
    this.depth.fill(Infinity);
    const { points, moved, pose } = scene;
    if (points && count) {
      // thinned out, the points that are left grow to cover the others
      const swell = Math.min(Math.sqrt(points.count / Math.max(count, 1)), 6);
      const frame = { eye, swell, width: this.width, height: this.height, pixels: this.pixels, depth: this.depth };
      splat(frame, points, scene.shown, count, pose && moved, pose);
    }
    this.g.putImageData(this.image, 0, 0);
  }
}

export function splat({ eye, swell, width, height, pixels, depth }, points, shown, count, moved, pose) {
  const [a, b, c] = eye.rows, e = eye.centre, f = eye.focal, cx = width / 2, cy = height / 2, near = eye.nearest;
  const [a0, a1, a2] = a, [b0, b1, b2] = b, [c0, c1, c2] = c, [e0, e1, e2] = e;
  const { xyz, radius } = points, grow = f * swell, [m0, m1, m2, m3, m4, m5, m6, m7, m8, t0, t1, t2] = pose || [];
  const wider = pose ? sizeOf(pose) : 1;
  for (let i = 0, p = 0; i < count; i++, p += 3) {
    const colour = shown[i];
    if (colour === 0) continue; // hidden
    let x = xyz[p] - e0, y = xyz[p + 1] - e1, z = xyz[p + 2] - e2;
    const travels = moved !== null && moved[i] === 1;
    if (travels) {
      const px = xyz[p], py = xyz[p + 1], pz = xyz[p + 2];
      x = m0 * px + m1 * py + m2 * pz + t0 - e0;
      y = m3 * px + m4 * py + m5 * pz + t1 - e1;
      z = m6 * px + m7 * py + m8 * pz + t2 - e2;
    }
    const w = c0 * x + c1 * y + c2 * z;
    if (w <= near) continue;
    const s = f / w, u = (a0 * x + a1 * y + a2 * z) * s + cx, v = (b0 * x + b1 * y + b2 * z) * s + cy;
    if (u < -LARGEST || v < -LARGEST || u >= width + LARGEST || v >= height + LARGEST) continue;
    let half = (radius[i] * grow * (travels ? wider : 1)) / w;
    if (half > LARGEST) half = LARGEST;
    // pixel i covers [i, i + 1); the square covers the pixels whose centres lie in it, and always its own
    let x0 = Math.ceil(u - half - 0.5), x1 = Math.floor(u + half - 0.5), y0 = Math.ceil(v - half - 0.5), y1 = Math.floor(v + half - 0.5);
    if (x1 < x0) x0 = x1 = Math.floor(u);
    if (y1 < y0) y0 = y1 = Math.floor(v);
    if (x0 < 0) x0 = 0;
    if (y0 < 0) y0 = 0;
    if (x1 >= width) x1 = width - 1;
    if (y1 >= height) y1 = height - 1;
    for (let row = y0; row <= y1; row++) {
      for (let k = row * width + x0, end = row * width + x1; k <= end; k++) {
        if (w < depth[k]) {
          depth[k] = w;
          pixels[k] = colour;
        }
      }
    }
  }
}
