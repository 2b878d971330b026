// How a point is coloured: as it is, by where it comes from, or by how far it is to be believed.

export const LOOKS = ["photo", "origin", "trust"];
export const ORIGINS = [
  { name: "Observed", rgb: [46, 134, 171], says: "seen in the photo" },
  { name: "Completed", rgb: [242, 166, 60], says: "invented where nothing was seen" },
  { name: "Generated", rgb: [156, 89, 182], says: "seen in a generated clip" },
];
export const SELECTED = [255, 64, 129];

const packed = (r, g, b) => (0xff000000 | (b << 16) | (g << 8) | r) >>> 0;

// From doubtful to certain: dark violet over red to pale yellow.
export function heat(share) {
  const stops = [[45, 17, 96], [150, 38, 107], [227, 89, 51], [252, 191, 73], [252, 253, 191]];
  const at = Math.min(Math.max(share, 0), 1) * (stops.length - 1), k = Math.min(Math.floor(at), stops.length - 2), t = at - k;
  return stops[k].map((v, c) => Math.round(v + t * (stops[k + 1][c] - v)));
}

const HEAT = Array.from({ length: 64 }, (_, k) => packed(...heat(k / 63)));

// One colour a point (0 = hidden); `away` marks points of hidden things. Origin is mixed with the photo, so that the scene stays readable.
export function coloured(points, look, selected, hidden, out = new Uint32Array(points.count), away = null) {
  const origins = ORIGINS.map((o) => o.rgb), [sr, sg, sb] = SELECTED;
  for (let i = 0; i < points.ready; i++) {
    const c = points.colour[i], o = points.provenance[i];
    if (hidden[o] || (away && away[i])) {
      out[i] = 0;
      continue;
    }
    let r = c & 255, g = (c >> 8) & 255, b = (c >> 16) & 255;
    if (look === "trust") {
      const h = HEAT[points.confidence[i]];
      (r = h & 255), (g = (h >> 8) & 255), (b = (h >> 16) & 255);
    } else if (look === "origin") {
      const [x, y, z] = origins[o] || origins[0], grey = (r + g + b) / 765;
      (r = x * (0.35 + 0.65 * grey)), (g = y * (0.35 + 0.65 * grey)), (b = z * (0.35 + 0.65 * grey));
    }
    if (selected && selected[i]) (r = 0.4 * r + 0.6 * sr), (g = 0.4 * g + 0.6 * sg), (b = 0.4 * b + 0.6 * sb);
    out[i] = packed(r & 255, g & 255, b & 255);
  }
  return out;
}
