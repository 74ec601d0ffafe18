// The editor of a picture, held or measured. It keeps the picture and which of its pixels are known.

import { pixelsOf, writeSheet } from "./pictures.js";
import { outlineOf, pack, unpack } from "./held.js";
import { usualSampler, nameOf, requestOfName } from "./samplers.js";
import { anyGiven } from "./given.js";
import { readForm } from "./settings.js";
import { drawn } from "./run.js";

const first = 1; // seed of the sample that is held until somebody chooses one

// parts are the masks of the buttons: whether pixel (x, y) of a picture with unit sides is known.
const parts = {
  bottom: (x, y) => y < 0.5,
  right: (x) => x < 0.5,
  middle: (x, y) => Math.max(Math.abs(x - 0.5), Math.abs(y - 0.5)) > 0.25,
  none: () => true,
};

export class Editor {
  // fields are elements of the form: mask and known keep what links need. onChange is called when one of them changes.
  constructor(panel, fields, onChange) {
    Object.assign(this, { panel, fields, onChange });
    this.canvas = panel.querySelector("canvas");
    this.sheet = document.createElement("canvas");
    this.stroke = null;
    this.abort = new AbortController();
    this.listen();
  }

  // open starts with a model. It keeps the contents of the fields if they fit. Otherwise the lower half of a sample is
  // unknown.
  open(model) {
    this.stop();
    const [, height, width] = model.shape;
    this.model = model;
    this.values = this.loading = null;
    this.mask = unpack(this.fields.mask.value, height * width);
    if (!this.mask) this.cut("bottom");
    this.draw();
  }

  // held returns the held part for a request; null until the picture is there.
  held() {
    return this.values && { values: this.values, mask: [...this.mask] };
  }

  // ready draws the named sample unless a picture is there. It throws the errors of the call.
  ready() {
    if (this.values) return Promise.resolve();
    if (!this.loading) {
      const loading = this.load().finally(() => this.loading === loading && (this.loading = null));
      this.loading = loading;
    }
    return this.loading;
  }

  async load() {
    const { model, fields } = this;
    const name = requestOfName(fields.known.value, model.name) ? fields.known.value : this.sampleOf(first);
    const request = requestOfName(name, model.name);
    const { signal } = (this.abort = new AbortController());
    this.say(`Drawing sample ${request.firstChain} of seed ${request.seed}…`);
    try {
      this.take(await drawn(request, signal), name);
    } catch (error) {
      if (!signal.aborted) this.say("No picture yet.");
      throw error;
    }
  }

  // sampleOf names the first sample of a seed, given what the form says.
  sampleOf(seed) {
    const settings = anyGiven(readForm(this.fields.mask.form), this.model);
    return nameOf({ ...settings, sampler: usualSampler(this.model), seed }, 0);
  }

  stop() {
    this.abort.abort();
  }

  // take holds a picture. name is the name of a sample, or empty, and then what describes the picture.
  take(values, name, what = "") {
    this.stop();
    this.values = values;
    this.fields.known.value = name;
    const [seed, chain] = name.split("_");
    this.say(name ? `Sample ${chain} of seed ${seed}` : `${what}. Links cannot hold it.`);
    this.draw();
    this.onChange();
  }

  // another draws the first sample of a seed.
  async another(seed) {
    this.stop();
    this.values = this.loading = null;
    this.fields.known.value = this.sampleOf(seed);
    this.draw();
    await this.ready();
  }

  async upload(file) {
    const values = pixelsOf(await createImageBitmap(file), this.model);
    this.take(values, "", file.name);
  }

  invert() {
    if (!this.values) return;
    const { low, high } = this.model;
    this.take(this.values.map((v) => low + high - v), "", "The negative of a picture");
  }

  cut(part) {
    const [, height, width] = this.model.shape;
    this.mask = Array.from({ length: height * width }, (_, p) => parts[part](((p % width) + 0.5) / width, (Math.floor(p / width) + 0.5) / height));
    this.keep();
  }

  keep() {
    this.fields.mask.value = pack(this.mask);
    this.draw();
    this.onChange();
  }

  say(text) {
    this.panel.querySelector(".what").textContent = text;
  }

  // veiled reports whether a part of the picture is unknown.
  veiled() {
    return this.fields.hold.value === "part";
  }

  // paintable reports whether a pointer changes the picture.
  paintable() {
    return this.veiled();
  }

  // mark changes a pixel under the brush.
  mark(p) {
    this.mask[p] = this.fields.paint.value === "keep";
  }

  // stroked is called at the end of a stroke of the brush.
  stroked() {
    this.keep();
  }

  // paint marks the pixels near a pointer, and on the line from its last position.
  paint(event) {
    const [, height, width] = this.model.shape;
    const zoom = width / this.canvas.clientWidth;
    const to = [event.offsetX * zoom, event.offsetY * zoom];
    const [x0, y0] = this.stroke ?? to;
    this.stroke = to;
    const radius = (Number(this.fields.brush.value) / 100) * width;
    const length = Math.hypot(to[0] - x0, to[1] - y0);
    for (let p = 0; p < this.mask.length; p++) {
      const [x, y] = [(p % width) + 0.5 - x0, Math.floor(p / width) + 0.5 - y0];
      const along = length ? Math.max(0, Math.min(1, (x * (to[0] - x0) + y * (to[1] - y0)) / length ** 2)) : 0;
      if (Math.hypot(x - along * (to[0] - x0), y - along * (to[1] - y0)) <= radius) this.mark(p);
    }
    this.draw();
  }

  // draw shows the picture. A veil covers the unknown part.
  draw() {
    if (!this.model) return;
    const [, height, width] = this.model.shape;
    const ratio = Math.min(window.devicePixelRatio || 1, 2);
    const zoom = Math.max(1, Math.ceil((this.canvas.clientWidth * ratio) / width)); // a whole number, so that no seams appear between pixels
    Object.assign(this.canvas, { width: zoom * width, height: zoom * height });
    const c = this.canvas.getContext("2d");
    c.imageSmoothingEnabled = false;
    if (this.values) {
      writeSheet(this.sheet, this.values, this.model);
      c.drawImage(this.sheet, 0, 0, this.canvas.width, this.canvas.height);
    }
    if (!this.veiled()) return;
    const style = getComputedStyle(this.canvas);
    c.scale(zoom, zoom);
    c.fillStyle = style.getPropertyValue("--accent");
    c.globalAlpha = 0.6;
    this.mask.forEach((known, p) => known || c.fillRect(p % width, Math.floor(p / width), 1, 1));
    c.globalAlpha = 1;
    c.strokeStyle = style.getPropertyValue("--point");
    c.lineWidth = (1.5 * ratio) / zoom;
    c.stroke(outlineOf(this.mask, width));
  }

  listen() {
    const { canvas } = this;
    canvas.addEventListener("pointerdown", (event) => {
      if (!this.paintable()) return;
      canvas.setPointerCapture(event.pointerId);
      this.stroke = null;
      this.paint(event);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (canvas.hasPointerCapture(event.pointerId)) this.paint(event);
    });
    canvas.addEventListener("lostpointercapture", () => this.stroked());
    this.panel.querySelectorAll("[data-part]").forEach((button) => button.addEventListener("click", () => this.cut(button.dataset.part)));
    this.panel.querySelector(".invert").addEventListener("click", () => this.invert());
    new ResizeObserver(() => this.draw()).observe(canvas.parentElement);
  }
}
