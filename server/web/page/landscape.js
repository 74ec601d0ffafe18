// The landscape behind the chains of a 2-D model, from the model alone: its score on a grid (the Score call), and its
// density, which the LogLikelihood call integrates along the probability flow. Both change with σ, so they are asked
// for at a few sigmas and blended in between.

import { unary, floats, rows } from "./api.js";

const cells = 72; // of the density, along each axis
const arrows = 21; // of the field
const fieldLevels = 12;
const densityLevels = 7;

export class Landscape {
  constructor(model, onChange) {
    this.model = model;
    const pad = 0.04 * (model.high - model.low);
    this.low = model.low - pad;
    this.high = model.high + pad;
    this.onChange = onChange;
    this.density = []; // {sigma, p, picture}, by rising sigma; p is relative to its largest value
    this.field = null;
    this.error = null;
    this.abort = new AbortController();
  }

  // load asks for everything, what shows most first. A model that cannot tell is drawn without.
  async load() {
    try {
      await this.loadField();
      const sigmas = this.spread(densityLevels);
      for (const sigma of [sigmas[0], ...sigmas.slice(1).reverse()]) await this.loadDensity(sigma);
    } catch (error) {
      if (!this.abort.signal.aborted) this.error = error;
    }
    this.onChange();
  }

  stop() {
    this.abort.abort();
  }

  // spread is count sigmas from the smallest to just below the largest, where the density is that of the noise.
  spread(count) {
    const { sigmas } = this.model;
    const last = Math.log(sigmas[sigmas.length - 1]);
    const first = Math.log(0.75 * sigmas[0]);
    if (first <= last) return [Math.exp(last)];
    return Array.from({ length: count }, (_, i) => Math.exp(last + ((first - last) * i) / (count - 1)));
  }

  // grid is the middles of count × count cells, row by row from the top.
  grid(count) {
    const points = new Float32Array(2 * count * count);
    const at = (i) => this.low + ((this.high - this.low) * (i + 0.5)) / count;
    for (let row = 0, k = 0; row < count; row++) {
      for (let column = 0; column < count; column++) {
        points[k++] = at(column);
        points[k++] = at(count - 1 - row);
      }
    }
    return points;
  }

  async loadField() {
    const { name, version } = this.model;
    const points = this.grid(arrows);
    const sigmas = this.spread(fieldLevels);
    const vectors = [];
    for (const sigma of sigmas) {
      const { score } = await unary("SamplingService/Score", { model: name, version, x: rows(points), sigma: [sigma] }, this.abort.signal);
      vectors.push(floats(score));
    }
    this.field = { sigmas, points, vectors };
    this.onChange();
  }

  async loadDensity(sigma) {
    const { name, version } = this.model;
    const answer = await unary("SamplingService/LogLikelihood", {
      model: name, version, x: rows(this.grid(cells)), exact: true,
      flow: { sigmaMin: sigma, rtol: 1e-3, atol: 1e-3 },
    }, this.abort.signal);
    const log = answer.logLikelihood.map(Number);
    const top = Math.max(...log);
    this.density.push({ sigma, p: Float32Array.from(log, (l) => Math.exp(l - top)), picture: null });
    this.density.sort((a, b) => a.sigma - b.sigma);
    this.onChange();
  }

  get cells() {
    return cells;
  }

  // around returns the two members of a list by rising sigma that enclose sigma, and how far it is from the first.
  static around(sigmas, sigma) {
    const log = Math.log(Math.min(Math.max(sigma, sigmas[0]), sigmas[sigmas.length - 1]));
    let i = 0;
    while (i < sigmas.length - 2 && Math.log(sigmas[i + 1]) < log) i++;
    const j = Math.min(i + 1, sigmas.length - 1);
    const width = Math.log(sigmas[j]) - Math.log(sigmas[i]);
    return { i, j, t: width > 0 ? (log - Math.log(sigmas[i])) / width : 0 };
  }

  // marginal is the density along the horizontal axis at the smallest sigma, summing to 1; null while unknown.
  marginal() {
    const finest = this.density[0];
    if (!finest) return null;
    if (!finest.marginal) {
      finest.marginal = new Float64Array(cells);
      finest.p.forEach((p, k) => (finest.marginal[k % cells] += p));
      const sum = finest.marginal.reduce((a, b) => a + b, 0);
      finest.marginal = finest.marginal.map((p) => p / sum);
    }
    return finest.marginal;
  }
}
