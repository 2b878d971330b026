// Where the selection is while it is moved, turned and resized: x -> A x + b, as twelve numbers, rows of A first.

export const STILL = null;

export const shifted = (by) => [1, 0, 0, 0, 1, 0, 0, 0, 1, ...by];

// From a unit quaternion [x, y, z, w] and a size about a pivot that has come to lie at `at`.
export function pose([x, y, z, w], size, pivot, at) {
  const A = [
    1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w),
    2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w),
    2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y),
  ].map((v) => v * size);
  const b = [0, 1, 2].map((k) => at[k] - A[3 * k] * pivot[0] - A[3 * k + 1] * pivot[1] - A[3 * k + 2] * pivot[2]);
  return [...A, ...b];
}

export const carried = (m, [x, y, z]) => [0, 1, 2].map((k) => m[3 * k] * x + m[3 * k + 1] * y + m[3 * k + 2] * z + m[9 + k]);

export const sizeOf = (m) => Math.cbrt(Math.abs(
  m[0] * (m[4] * m[8] - m[5] * m[7]) - m[1] * (m[3] * m[8] - m[5] * m[6]) + m[2] * (m[3] * m[7] - m[4] * m[6]),
));

// The quaternion of its rotation.
export function turnOf(m) {
  const s = sizeOf(m), [a, b, c, d, e, f, g, h, i] = m.slice(0, 9).map((v) => v / s), trace = a + e + i;
  let q;
  if (trace > 0) q = [h - f, c - g, d - b, 1 + trace];
  else if (a > e && a > i) q = [1 + a - e - i, b + d, c + g, h - f];
  else if (e > i) q = [b + d, 1 + e - a - i, f + h, c - g];
  else q = [c + g, f + h, 1 + i - a - e, d - b];
  const n = Math.hypot(...q);
  return q.map((v) => v / n);
}

// Axis times angle of a unit quaternion, the short way round.
export function axisAngle(q) {
  const [x, y, z, w] = q[3] < 0 ? q.map((v) => -v) : q, s = Math.hypot(x, y, z);
  const k = s < 1e-9 ? 2 : (2 * Math.atan2(s, w)) / s;
  return [k * x, k * y, k * z];
}
