// What is drawn over the points with plain strokes: cameras, the path, the axes, the shape under the hand.

import { dot, pyramid, segments } from "./eye.js";

const ACCENT = "#ff4081";

export class Overlay {
  constructor(canvas) {
    this.canvas = canvas;
    this.g = canvas.getContext("2d");
  }

  resize(width, height) {
    const dpr = window.devicePixelRatio || 1;
    this.canvas.width = Math.round(width * dpr);
    this.canvas.height = Math.round(height * dpr);
    [this.width, this.height, this.dpr] = [width, height, dpr];
  }

  draw(eye, { photo, path, ways, unit, dark, shape, hover }) {
    const { g } = this;
    g.setTransform(this.dpr, 0, 0, this.dpr, 0, 0);
    g.clearRect(0, 0, this.width, this.height);
    if (path) this.path(eye, path, unit);
    for (const way of ways || []) this.way(eye, way);
    if (photo) this.camera(eye, photo, 0.16 * unit, "#2c8784", 2);
    this.axes(eye, dark);
    if (shape) this.shape(shape);
    else if (hover) this.ring(hover.at, hover.radius);
  }

  lines(list, colour, width) {
    const { g } = this;
    for (const [c, w] of [["rgb(255 255 255 / 75%)", width + 2], [colour, width]]) {
      g.strokeStyle = c;
      g.lineWidth = w;
      g.lineCap = "round";
      g.beginPath();
      for (const [x0, y0, x1, y1] of list) g.moveTo(x0, y0), g.lineTo(x1, y1);
      g.stroke();
    }
  }

  camera(eye, camera, depth, colour, width) {
    const [c, a, b, d, e] = pyramid(camera, depth);
    const away = Math.hypot(...[0, 1, 2].map((k) => c[k] - eye.centre[k]));
    if (away < 0.5 * depth) return; // one stands in it
    this.lines([...segments(eye, [a, b, d, e], true), ...[a, b, d, e].flatMap((p) => segments(eye, [c, p]))], colour, width);
  }

  path(eye, path, unit) {
    this.lines(segments(eye, path.centres), "#c2570c", 2.5);
    for (const camera of path.cameras) this.camera(eye, camera, 0.06 * unit, "#c2570c", 1);
  }

  // Where a thing walks, an open ring at its start and a full one at its end.
  way(eye, stops) {
    this.lines(segments(eye, stops), ACCENT, 2.5);
    for (const [k, stop] of stops.entries()) {
      const [x, y, z] = eye.project(stop);
      if (z <= eye.nearest) continue;
      const { g } = this;
      g.beginPath();
      g.arc(x, y, k === 0 || k === stops.length - 1 ? 5 : 3, 0, 7);
      g.fillStyle = k === 0 ? "#fff" : ACCENT;
      g.fill();
      g.strokeStyle = k === 0 ? ACCENT : "#fff";
      g.lineWidth = 2;
      g.stroke();
    }
  }

  axes(eye, dark) {
    const { g } = this, R = eye.rows, at = [44, this.height - 44];
    const axes = [["x", "#d9364a", [1, 0, 0]], ["y", "#2f9e44", [0, 1, 0]], ["z", "#3b6fd4", [0, 0, 1]]]
      .map(([name, colour, v]) => ({ name, colour, x: dot(R[0], v), y: dot(R[1], v), z: dot(R[2], v) }))
      .sort((a, b) => b.z - a.z);
    g.fillStyle = dark ? "rgb(0 0 0 / 45%)" : "rgb(255 255 255 / 70%)";
    g.beginPath();
    g.arc(...at, 36, 0, 7);
    g.fill();
    g.font = "600 11px ui-sans-serif, system-ui, sans-serif";
    g.textAlign = "center";
    g.textBaseline = "middle";
    for (const { name, colour, x, y } of axes) {
      g.strokeStyle = g.fillStyle = colour;
      g.lineWidth = 2.5;
      g.beginPath();
      g.moveTo(...at);
      g.lineTo(at[0] + 22 * x, at[1] + 22 * y);
      g.stroke();
      g.fillText(name, at[0] + 30 * x, at[1] + 30 * y);
    }
  }

  ring([x, y], radius) {
    this.twice(() => this.g.arc(x, y, radius, 0, 7));
  }

  twice(trace, fill = false) {
    const { g } = this;
    g.beginPath();
    trace();
    if (fill) {
      g.fillStyle = "rgb(255 64 129 / 14%)";
      g.fill();
    }
    for (const [colour, width] of [["#fff", 4], [ACCENT, 2]]) {
      g.strokeStyle = colour;
      g.lineWidth = width;
      g.stroke();
    }
  }

  shape(s) {
    const { g } = this, [x, y] = s.points[0], [ex, ey] = s.end;
    if (s.kind === "rectangle") this.twice(() => g.rect(Math.min(x, ex), Math.min(y, ey), Math.abs(ex - x), Math.abs(ey - y)), true);
    else if (s.kind === "sphere") this.twice(() => g.arc(x, y, s.radius, 0, 7), true);
    else if (s.kind === "box") this.twice(() => g.rect(x - s.radius, y - s.radius, 2 * s.radius, 2 * s.radius), true);
    else if (s.kind === "brush") {
      g.strokeStyle = "rgb(255 64 129 / 45%)";
      g.lineWidth = 2 * s.size;
      g.lineCap = g.lineJoin = "round";
      g.beginPath();
      g.moveTo(x, y);
      for (const p of s.points) g.lineTo(...p);
      g.lineTo(ex + 0.01, ey);
      g.stroke();
    } else if (s.kind === "lasso" || s.kind === "polygon") {
      this.twice(() => {
        g.moveTo(x, y);
        for (const p of s.points) g.lineTo(...p);
        g.lineTo(ex, ey);
        if (s.kind === "lasso") g.closePath();
      }, true);
    }
  }
}
