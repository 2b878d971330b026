// From pointer positions to a shape: what a hand draws, before the server says what it selects.

const CLICKED = 4; // pixels a click may slip

// A shape under way. `message()` is what the server is told, or null when too little was drawn.
export class Shape {
  constructor(kind, at, size) {
    this.kind = kind;
    this.points = [at];
    this.end = at;
    this.size = size; // brush radius in pixels, or tolerance of a colour
  }

  carry(at) {
    const last = this.points[this.points.length - 1];
    this.end = at;
    if ((this.kind === "lasso" || this.kind === "brush") && Math.hypot(at[0] - last[0], at[1] - last[1]) >= 2) this.points.push(at);
  }

  corner(at) {
    this.points.push(at);
    this.end = at;
  }

  get closes() {
    // a polygon is closed by a click on its first corner
    const [first] = this.points;
    return this.kind === "polygon" && this.points.length > 2 && Math.hypot(this.end[0] - first[0], this.end[1] - first[1]) < 10;
  }

  get radius() {
    return Math.hypot(this.end[0] - this.points[0][0], this.end[1] - this.points[0][1]);
  }

  message() {
    const [first] = this.points, { kind, end } = this;
    if (kind === "rectangle") {
      if (Math.abs(end[0] - first[0]) < CLICKED || Math.abs(end[1] - first[1]) < CLICKED) return null;
      return { kind, points: [first, end] };
    }
    if (kind === "lasso" || kind === "polygon") return this.points.length < 3 ? null : { kind, points: this.points };
    if (kind === "brush") return { kind, points: this.points, size: this.size };
    if (kind === "sphere" || kind === "box") return this.radius < CLICKED ? null : { kind, at: first, size: this.radius };
    if (kind === "colour") return { kind, at: end, tolerance: this.size };
    return { kind, at: end };
  }
}
