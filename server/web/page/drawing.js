// The editor of a picture whose brush also draws.

import { Editor } from "./editor.js";

export class Drawing extends Editor {
  veiled() {
    return false;
  }

  paintable() {
    return this.values !== null;
  }

  // pen returns what the brush draws, light or dark; empty if it does not draw.
  pen() {
    return ["light", "dark"].includes(this.fields.paint.value) ? this.fields.paint.value : "";
  }

  mark(p) {
    if (!this.pen()) return super.mark(p);
    const [, height, width] = this.model.shape;
    const value = this.pen() === "light" ? this.model.high : this.model.low;
    for (let i = p; i < this.values.length; i += height * width) this.values[i] = value;
  }

  stroked() {
    if (this.pen()) this.take(this.values, "", "Your drawing");
    else this.keep();
  }

  blank() {
    const elements = this.model.shape.reduce((a, b) => a * b, 1);
    this.take(new Float32Array(elements).fill(this.model.low), "", "Your drawing");
  }
}
