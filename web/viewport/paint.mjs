// node paint.mjs POINTS WIDTH HEIGHT PHOTO.json: paints a memory file as the view does without WebGL, from a view
// turned a little; one line of JSON with the camera, then raw RGBA.

import { readFileSync } from "node:fs";
import { Eye } from "./src/eye.js";
import { splat } from "./src/painter.js";
import { Reader } from "./src/payload.js";

const [points, width, height, photo] = process.argv.slice(2);
const reader = new Reader();
reader.feed(new Uint8Array(readFileSync(points)));
const { camera, target, unit } = JSON.parse(readFileSync(photo));
const eye = new Eye(camera, target, unit);
eye.back();
eye.resize(Number(width), Number(height));
const size = eye.size[0] * eye.size[1], pixels = new Uint32Array(size), depth = new Float32Array(size).fill(Infinity);
splat({ eye, swell: 1, width: eye.size[0], height: eye.size[1], pixels, depth }, reader.points, reader.points.colour, reader.points.count, null, null);
process.stdout.write(JSON.stringify(eye.camera()) + "\n");
process.stdout.write(Buffer.from(pixels.buffer));
