// The panel in which a measurement is made: of a sample or of a picture, or a picture that was observed.

import { acceptFiles, isImage, pixelsOf, writeSheet } from "./pictures.js";
import { fillForm, readForm } from "./settings.js";
import { measureOf, measuresOf, measuresPicture, normal, shapeOfMeasured } from "./measured.js";
import { Drawing } from "./drawing.js";

const most = 16; // chains when a measurement of pictures begins: each may have many particles

// Whole is the editor of the picture that is measured, or of which a part is.
class Whole extends Drawing {
  veiled() {
    return this.fields.measure.value === "mask";
  }
}

export class Measure {
  // form has the settings. onChange is called when what is measured changes, and onFile(load, file) loads a file and
  // reports what goes wrong.
  constructor(panel, form, onChange, onFile) {
    Object.assign(this, { panel, form, onChange, onFile, model: null, given: null });
    const { seen, whole, pen, stroke, measure } = form.elements;
    const easel = panel.querySelector("#measured-picture");
    this.whole = new Whole(easel, { mask: seen, known: whole, brush: pen, paint: stroke, measure }, () => {
      this.given = null;
      onChange();
    });
    this.canvas = panel.querySelector("#observation");
    this.listen(easel);
  }

  // offer starts with a model. Nothing is measured.
  offer(model) {
    const choices = Object.entries(measuresOf(model));
    const { form } = this;
    this.panel.hidden = choices.length === 0;
    this.panel.open = false;
    form.elements.measure.replaceChildren(...choices.map(([word, name]) => new Option(name, word)));
    const side = model.shape[model.shape.length - 1];
    const factor = [4, 2, 3, 5].find((f) => model.shape.slice(1).every((v) => v % f === 0)) ?? side;
    fillForm(form, {
      measure: "", seen: "", whole: "", factor, blur_std: 1.5, row: "1, 0", observed: "",
      noise_std: Number((0.05 * (model.high - model.low)).toPrecision(2)), posterior: "", particles: "",
    });
    this.open(model);
  }

  // open shows what the form has.
  open(model) {
    this.model = model;
    this.given = null;
    if (isImage(model)) this.whole.open(model);
    this.takeBrush();
    this.show();
  }

  takeBrush() {
    const { measure, stroke } = this.form.elements;
    stroke.value = measure.value === "mask" ? "hide" : "light";
  }

  settings() {
    return readForm(this.form);
  }

  // begin chooses a brush when something else is measured, and limits the number of chains of pictures.
  begin() {
    this.takeBrush();
    const { n } = this.form.elements;
    if (measuresPicture(this.settings()) && Number(n.value) > most) n.value = most;
  }

  // show shows the controls of what is measured, and disables the others, which are not checked then.
  show() {
    const settings = this.settings();
    const hide = (element, hidden) => {
      element.hidden = hidden;
      element.querySelectorAll("input").forEach((input) => (input.disabled = hidden));
    };
    this.panel.querySelectorAll("[data-of]").forEach((element) => {
      hide(element, !element.dataset.of.split(" ").includes(settings.measure));
    });
    hide(this.form.elements.particles.closest("label"), !settings.measure || settings.posterior !== "particles");
    this.whole.draw();
    this.draw();
  }

  // measured returns the observation for a request; null if no picture is measured, or it is not there yet.
  measured(settings) {
    const { model, whole, given } = this;
    if (!model || !measuresPicture(settings) || !(whole.values || given)) return null;
    const shape = shapeOfMeasured(settings, model.shape);
    const seen = [...whole.mask];
    if (given && settings.measure !== "mask") {
      return { values: pixelsOf(given.picture, { ...model, shape }), shape, seen };
    }
    if (!whole.values) return null;
    const exact = measureOf(settings, whole.values, model.shape, seen);
    const noise = normal(exact.length);
    const std = Number(settings.noise_std) || 0;
    return { values: exact.map((v, i) => v + std * noise[i]), shape, seen };
  }

  // waits reports whether a picture is to be measured that is not there yet.
  waits(settings) {
    return measuresPicture(settings) && !this.measured(settings);
  }

  ready() {
    return this.whole.ready();
  }

  async another(seed) {
    this.given = null;
    await this.whole.another(seed);
  }

  // observe takes a picture as what was observed. It gets the size of what the operator makes of a sample.
  async observe(file) {
    const picture = await createImageBitmap(file);
    this.whole.stop();
    this.given = { picture };
    this.form.elements.whole.value = "";
    this.whole.say(`${file.name}, as it was observed. Links cannot hold it.`);
    this.onChange();
  }

  // draw shows the observation.
  draw() {
    const settings = this.settings();
    const measured = settings.measure !== "mask" && this.measured(settings);
    this.whole.canvas.classList.toggle("unused", Boolean(this.given) && settings.measure !== "mask");
    if (measured) writeSheet(this.canvas, measured.values, { ...this.model, shape: measured.shape });
  }

  listen(easel) {
    const upload = (file) => this.onFile((f) => this.whole.upload(f), file);
    const observe = (file) => this.onFile((f) => this.observe(f), file);
    const take = (name, onFile) => easel.querySelector(name).addEventListener("change", ({ target }) => {
      onFile(target.files[0]);
      target.value = ""; // so that the same file can be chosen again
    });
    take("#measure-upload", upload);
    take("#observe", observe);
    acceptFiles(this.whole.canvas, upload);
    acceptFiles(this.canvas, observe);
    easel.querySelector(".blank").addEventListener("click", () => {
      this.form.elements.stroke.value = "light";
      this.whole.blank();
    });
  }
}
