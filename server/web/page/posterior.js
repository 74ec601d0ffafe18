// The posterior of a run with a measurement: the mean and the spread of its samples beside the observation, and whether
// the samples can be believed.

import { writeSheet } from "./pictures.js";
import { measuresPicture, momentsOf } from "./measured.js";
import { rounded } from "./numbers.js";

const methods = { particles: "Particles", ddrm: "DDRM", snips: "SNIPS", langevin: "Langevin" };

// methodOf returns the word of the method in use; undefined before the server has said it.
const methodOf = (run) => Object.keys(methods).find((word) => run?.started?.measurement?.[word]);

// warnings says in words why samples of a run may not be the posterior's.
export function warnings(run) {
  if (!run?.settings.measure) return [];
  const collapsed = Number(run.done?.collapsed ?? 0);
  const least = run.started?.measurement?.leastEffectiveSize;
  return [
    run.started?.approximate && `${methods[methodOf(run)]} only approximates the posterior: its samples agree with the `
      + "measurement, but the weights of modes are wrong. With particles they become right as the number grows.",
    collapsed > 0 && `${collapsed} of ${run.settings.n} ${run.settings.n === 1 ? "chain" : "chains"} collapsed: the `
      + `effective size is below ${least}. Together the samples do not represent the posterior. More particles help, `
      + "and so do fewer measured values or more noise.",
  ].filter(Boolean);
}

// spreadOut puts the values of a mask back in their places. What was not measured is NaN.
function spreadOut(values, seen, [channels]) {
  let next = 0;
  const pixels = seen.length;
  return Float32Array.from({ length: channels * pixels }, (_, i) => (seen[i % pixels] ? values[next++] : NaN));
}

export class Posterior {
  constructor(pictures, readout, warning) {
    Object.assign(this, { pictures, readout, warning, shown: {} });
    this.canvases = Object.fromEntries(["observed", "mean", "deviation"].map((name) => [
      name, pictures.querySelector(`.${name} canvas`),
    ]));
  }

  // draw shows a run at a frame. A run without a measurement has nothing to show.
  draw(run, index) {
    const measuring = Boolean(run?.settings.measure);
    this.pictures.hidden = !measuring || !measuresPicture(run.settings);
    this.readout.querySelectorAll(".measured").forEach((element) => (element.hidden = !measuring));
    const text = warnings(run).join(" ");
    if (this.warning.textContent !== text) this.warning.textContent = text;
    if (!measuring) return;
    this.drawNumbers(run);
    const last = run.samples && index >= run.frames.length - 1;
    const x = last ? run.samples : run.frames[index]?.x;
    if (this.shown.run === run && this.shown.x === x) return;
    this.shown = { run, x };
    const moments = x && momentsOf(x, run.model.shape.reduce((a, b) => a * b, 1));
    if (measuresPicture(run.settings)) this.drawPictures(run, moments);
    else this.drawMoments(moments);
  }

  drawMoments(moments) {
    const each = moments && [...moments.mean].map((m, i) => `${rounded(m)} ± ${rounded(moments.deviation[i])}`);
    this.set("#moments", each?.join(", ") ?? "–");
  }

  drawPictures({ settings, model }, moments) {
    const { values, shape, seen } = settings.measured;
    if (settings.measure === "mask") {
      this.write("observed", spreadOut(values, seen, shape), model);
      const context = this.canvases.observed.getContext("2d");
      seen.forEach((known, p) => known || context.clearRect(p % shape[2], Math.floor(p / shape[2]), 1, 1));
    } else {
      this.write("observed", values, { ...model, shape });
    }
    const top = moments ? Math.max(...moments.deviation) : 0;
    this.write("mean", moments?.mean, model);
    this.write("deviation", moments?.deviation, { ...model, low: 0, high: top || 1 });
    this.pictures.querySelector(".deviation .reading").textContent = top > 0 ? `0 to ${rounded(top)}` : "";
  }

  write(name, values, model) {
    const canvas = this.canvases[name];
    if (!values) canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
    else writeSheet(canvas, values, model);
  }

  drawNumbers(run) {
    const { done, started } = run;
    const method = methodOf(run);
    const count = started?.measurement?.particles?.count;
    const chosen = run.settings.posterior ? "" : ", the server's choice";
    this.set("#posterior-method", method ? methods[method] + chosen : "–");
    this.set("#effective", done?.effectiveSize ? `${rounded(done.effectiveSize)} of ${count}` : "–");
    this.set("#evidence", done?.logEvidence === undefined ? "–" : rounded(done.logEvidence));
    const others = method !== undefined && method !== "particles";
    this.readout.querySelectorAll(".of-particles").forEach((element) => (element.hidden = others));
    this.readout.querySelector(".of-plane").hidden = measuresPicture(run.settings);
  }

  set(selector, text) {
    const element = this.readout.querySelector(selector);
    if (element.textContent !== text) element.textContent = text;
  }
}
