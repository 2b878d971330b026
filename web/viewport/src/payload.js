// The memory as the server sends it (editing/viewport.py, pack): blocks of points, 16 bytes a point, ordered so that
// any beginning is an even thinning of the whole. Read block by block while it arrives.

export const MAGIC = "SPV1";
export const BLOCK = 65536;
const HEADER = 40;

export class Points {
  constructor(count) {
    this.count = count; // how many there will be
    this.ready = 0; // how many have arrived
    this.xyz = new Float32Array(3 * count);
    this.colour = new Uint32Array(count); // 0xffBBGGRR
    this.provenance = new Uint8Array(count); // 0 observed, 1 completed, 2 generated
    this.confidence = new Uint8Array(count); // 0 to 63
    this.radius = new Float32Array(count);
    this.object = new Int16Array(count);
    this.low = [0, 0, 0];
    this.high = [0, 0, 0];
  }
}

export function readHeader(bytes) {
  if (bytes.length < HEADER || String.fromCharCode(...bytes.subarray(0, 4)) !== MAGIC) throw new Error("not a memory file");
  const view = new DataView(bytes.buffer, bytes.byteOffset, HEADER);
  const number = (k) => view.getFloat32(8 + 4 * k, true);
  return {
    count: view.getUint32(4, true),
    low: [number(0), number(1), number(2)],
    step: [number(3), number(4), number(5)],
    thin: number(6),
    width: number(7),
  };
}

function readBlock(points, head, bytes, start, k) {
  // a copy, so that the arrays in it lie on their own boundaries
  const b = bytes.slice().buffer;
  const first = new Uint32Array(b, 0, k), second = new Uint32Array(b, 4 * k, k), rgba = new Uint32Array(b, 8 * k, k);
  const radius = new Uint16Array(b, 12 * k, k), object = new Int16Array(b, 14 * k, k);
  const { low, step, thin, width } = head;
  for (let i = 0, j = start, p = 3 * start; i < k; i++, j++, p += 3) {
    const u = first[i], v = second[i], c = rgba[i];
    points.xyz[p] = low[0] + (u & 0x1fffff) * step[0];
    points.xyz[p + 1] = low[1] + ((u >>> 21) | ((v & 0x3ff) << 11)) * step[1];
    points.xyz[p + 2] = low[2] + (v >>> 10) * step[2];
    points.colour[j] = (c | 0xff000000) >>> 0;
    points.provenance[j] = c >>> 30;
    points.confidence[j] = (c >>> 24) & 63;
    points.radius[j] = Math.exp(thin + width * radius[i]);
    points.object[j] = object[i];
  }
  points.ready = start + k;
}

// Feeds on pieces of any length; `onBlock` is told after each block.
export class Reader {
  constructor(onBlock = () => {}) {
    this.onBlock = onBlock;
    this.rest = new Uint8Array(0);
    this.head = null;
    this.points = null;
  }

  feed(piece) {
    let bytes = piece;
    if (this.rest.length) {
      bytes = new Uint8Array(this.rest.length + piece.length);
      bytes.set(this.rest);
      bytes.set(piece, this.rest.length);
    }
    let at = 0;
    if (!this.head && bytes.length >= HEADER) {
      this.head = readHeader(bytes);
      this.points = new Points(this.head.count);
      this.points.low = this.head.low;
      this.points.high = this.head.low.map((v, k) => v + this.head.step[k] * 0x1fffff);
      at = HEADER;
    }
    while (this.head && this.points.ready < this.head.count) {
      const k = Math.min(BLOCK, this.head.count - this.points.ready);
      if (bytes.length - at < 16 * k) break;
      readBlock(this.points, this.head, bytes.subarray(at, at + 16 * k), this.points.ready, k);
      at += 16 * k;
      this.onBlock(this.points);
    }
    this.rest = bytes.slice(at);
  }

  get done() {
    return this.points !== null && this.points.ready === this.points.count;
  }
}

export async function load(url, onBlock, signal) {
  const answer = await fetch(url, { signal });
  if (!answer.ok) throw new Error(`the points could not be fetched (${answer.status})`);
  const reader = new Reader(onBlock);
  if (answer.body && answer.body.getReader) {
    const stream = answer.body.getReader();
    for (let piece = await stream.read(); !piece.done; piece = await stream.read()) reader.feed(piece.value);
  } else reader.feed(new Uint8Array(await answer.arrayBuffer()));
  if (!reader.done) throw new Error("the points arrived incomplete");
  return reader.points;
}

// One byte a point from one bit a point, low bit first.
export function readBits(bytes, count) {
  const out = new Uint8Array(count);
  const whole = Math.min(count, 8 * bytes.length);
  for (let i = 0; i < whole; i++) out[i] = (bytes[i >> 3] >> (i & 7)) & 1;
  return out;
}
