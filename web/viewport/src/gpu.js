// What the graphics card draws: the points where there is a real card, and the gizmo wherever there is WebGL.

import { BufferAttribute, BufferGeometry, GLSL3, Matrix3, Matrix4, Object3D, PerspectiveCamera, Points, RawShaderMaterial, Scene, WebGLRenderer } from "three";
import { TransformControls } from "three/examples/jsm/controls/TransformControls.js";
import { shifted, sizeOf } from "./pose.js";

const VERTEX = `
precision highp float;
uniform mat4 modelViewMatrix, projectionMatrix;
uniform float swell, focal;
uniform mat3 turn;
uniform vec3 by;
uniform float wider;
in vec3 position;
in vec4 colour;
in float radius, moved;
out vec3 shown;
void main() {
  bool travels = moved > 0.5 / 255.0;
  vec4 p = modelViewMatrix * vec4(travels ? turn * position + by : position, 1.0);
  gl_Position = colour.a < 0.5 ? vec4(0.0, 0.0, 2.0, 1.0) : projectionMatrix * p;
  gl_PointSize = clamp(2.0 * (travels ? wider : 1.0) * radius * focal * swell / max(-p.z, 1e-6), 1.0, 20.0);
  shown = colour.rgb;
}`;
const FRAGMENT = `
precision mediump float;
in vec3 shown;
out vec4 pixel;
void main() { pixel = vec4(shown, 1.0); }`;

// The card's name, and whether it is only imitated by the processor; null without WebGL.
export function card() {
  const probe = document.createElement("canvas");
  const gl = probe.getContext("webgl2");
  if (!gl) return null;
  const info = gl.getExtension("WEBGL_debug_renderer_info");
  const name = String(gl.getParameter(info ? info.UNMASKED_RENDERER_WEBGL : gl.RENDERER));
  gl.getExtension("WEBGL_lose_context")?.loseContext();
  return { name, software: /swiftshader|llvmpipe|softpipe|software|basic render/i.test(name) };
}

export class Graphics {
  constructor(canvas, surface) {
    this.renderer = new WebGLRenderer({ canvas, alpha: true, antialias: false, preserveDrawingBuffer: true });
    this.renderer.setPixelRatio(1);
    this.scene = new Scene();
    this.camera = new PerspectiveCamera(50, 1, 0.01, 1000);
    this.camera.matrixAutoUpdate = true;
    // before any other listener on the surface: who grabs an arrow must not turn the view
    this.controls = new TransformControls(this.camera, surface);
    this.helper = this.controls.getHelper();
    this.handle = new Object3D();
    this.scene.add(this.handle, this.helper);
    this.controls.setSize(0.9);
    this.cloud = null;
  }

  resize(width, height) {
    this.renderer.setSize(width, height, false);
  }

  // --- points ----------------------------------------------------------------------------------------------------
  setPoints(points) {
    if (this.cloud) {
      this.scene.remove(this.cloud);
      this.cloud.geometry.dispose();
      this.cloud.material.dispose();
      this.cloud = null;
    }
    if (!points) return;
    const g = new BufferGeometry();
    this.coloured = new Uint8Array(4 * points.count);
    this.marked = new Uint8Array(points.count);
    g.setAttribute("position", new BufferAttribute(points.xyz, 3));
    g.setAttribute("radius", new BufferAttribute(points.radius, 1));
    g.setAttribute("colour", new BufferAttribute(this.coloured, 4, true));
    g.setAttribute("moved", new BufferAttribute(this.marked, 1));
    const uniforms = { swell: { value: 1 }, focal: { value: 1 }, turn: { value: new Matrix3() }, by: { value: [0, 0, 0] }, wider: { value: 1 } };
    const material = new RawShaderMaterial({ glslVersion: GLSL3, vertexShader: VERTEX, fragmentShader: FRAGMENT, uniforms });
    this.cloud = new Points(g, material);
    this.cloud.frustumCulled = false;
    this.scene.add(this.cloud);
  }

  // After more points have arrived, or their colours have changed.
  refresh(shown, moved) {
    if (!this.cloud) return;
    const { attributes } = this.cloud.geometry;
    this.coloured.set(new Uint8Array(shown.buffer, 0, this.coloured.length));
    moved ? this.marked.set(moved) : this.marked.fill(0);
    for (const name of ["position", "radius", "colour", "moved"]) attributes[name].needsUpdate = true;
  }

  // --- drawing ---------------------------------------------------------------------------------------------------
  follow(eye) {
    const [r, d, f] = eye.rows, c = eye.centre, [w, h] = eye.size, { camera } = this;
    // three's cameras look along -z with y up
    const m = new Matrix4().set(r[0], -d[0], -f[0], c[0], r[1], -d[1], -f[1], c[1], r[2], -d[2], -f[2], c[2], 0, 0, 0, 1);
    m.decompose(camera.position, camera.quaternion, camera.scale);
    Object.assign(camera, {
      fov: (360 / Math.PI) * Math.atan(h / 2 / eye.focal), aspect: w / h, near: eye.nearest * 5, far: eye.home.unit * 500,
    });
    camera.updateProjectionMatrix();
    camera.updateMatrixWorld(true);
  }

  draw(eye, scene, count, background) {
    this.follow(eye);
    if (this.cloud) {
      this.cloud.visible = count > 0;
      this.cloud.geometry.setDrawRange(0, count);
      const u = this.cloud.material.uniforms;
      u.swell.value = scene.points ? Math.min(Math.sqrt(scene.points.count / Math.max(count, 1)), 6) : 1;
      u.focal.value = eye.focal;
      const m = scene.pose || shifted([0, 0, 0]);
      u.turn.value.set(...m.slice(0, 9));
      u.by.value = m.slice(9);
      u.wider.value = sizeOf(m);
    }
    if (background === null) this.renderer.setClearColor(0, 0);
    else this.renderer.setClearColor(((background & 255) << 16) | (background & 0xff00) | ((background >> 16) & 255), 1);
    this.renderer.render(this.scene, this.camera);
  }

  // The card works while the processor goes on; reading one pixel waits for it.
  wait() {
    const gl = this.renderer.getContext();
    gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4));
  }

  // --- gizmo -----------------------------------------------------------------------------------------------------
  hold(at, turn, size, mode) {
    this.handle.position.fromArray(at);
    this.handle.quaternion.fromArray(turn);
    this.handle.scale.setScalar(size);
    this.controls.setMode(mode);
    this.controls.attach(this.handle);
  }

  // World or local axes; whether a drag goes in steps of `move` units, 15 degrees, tenths of the size.
  set({ local, snap, move }) {
    const { controls } = this;
    controls.setSpace(local ? "local" : "world");
    controls.setTranslationSnap(snap ? move : null);
    controls.setRotationSnap(snap ? Math.PI / 12 : null);
    controls.setScaleSnap(snap ? 0.1 : null);
  }

  // All sides alike: the side that was pulled the most says how large.
  even() {
    const { scale } = this.handle, before = this.size || 1, far = (v) => Math.abs(Math.log(Math.max(v, 1e-3) / before));
    const most = scale.toArray().reduce((a, b) => (far(b) > far(a) ? b : a));
    scale.setScalar(Math.min(Math.max(most, 0.05), 20));
  }

  release() {
    this.controls.detach();
  }

  // How far from its middle a share of an arrow lies, world units.
  reach(share) {
    return (share * this.controls.size * this.camera.position.distanceTo(this.handle.position) * Math.min(1.9 * Math.tan((Math.PI * this.camera.fov) / 360) / this.camera.zoom, 7)) / 4;
  }

  get holding() {
    return this.controls.object !== undefined && this.controls.object !== null;
  }

  get grabbed() {
    return this.holding && (this.controls.dragging || this.controls.axis !== null);
  }

  dispose() {
    this.controls.dispose();
    this.setPoints(null);
    this.renderer.dispose();
  }
}
