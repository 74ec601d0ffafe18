// The landscape behind the chains of a 2-D model. It is computed from the model alone: the score on a grid (the Score
// call), and the density, which the LogLikelihood call integrates along the probability flow. Both change with σ. They
// are computed at a few sigmas and interpolated between them.

import { unary, floats, rows } from "./api.js";
import { givenOf } from "./given.js";
import { sumOf } from "./terms.js";

const cells = 64; // of the density, along each axis
const arrows = 21; // of the field
const fieldLevels = 12;
const densityLevels = 7;
const patience = 0.04; // seconds for the scores of one grid; if it takes longer, the density, which needs thousands of evaluations, is not computed
const seen = 1.5; // sigmas around the data in view
const reach = 3.2; // sigmas around the data for which the density is computed; enough until the next level takes over

const spread = [-3, -2.25, -1.5, -0.75, 0, 0.75, 1.5, 2.25, 3]; // sigmas around a held value, for the noise on it

export function isPlane(model) {
  const numbers = (model.columns ?? []).every(({ kind }) => /NUMBER|INTEGER/.test(kind)); // also without columns
  return model.shape.length === 1 && model.shape[0] === 2 && numbers;
}

// Landscapes has the landscapes of a model: one for all that its samples can be given. It keeps those that are complete.
export class Landscapes {
  constructor(model, onChange) {
    Object.assign(this, { model, onChange, key: null, current: null });
    this.complete = new Map();
  }

  // of returns the landscape of settings, and begins to load it if it is another one than before.
  of(settings) {
    const given = givenOf(settings);
    const key = JSON.stringify(given);
    if (key === this.key) return this.current;
    if (this.current?.complete) this.complete.set(this.key, this.current);
    else this.current?.stop();
    this.key = key;
    this.current = this.complete.get(key) ?? new Landscape(this.model, given, this.onChange);
    this.current.load();
    return this.current;
  }

  stop() {
    this.current?.stop();
  }
}

// addends returns what the arrows of settings add: the weight of the own score, and other scores with their weights.
function addends(settings) {
  const { guide, rule, weight } = settings;
  if (guide) {
    const w = weight ? Number(weight) : 1;
    return { own: rule === "mix" ? 1 - w : 1, others: [{ request: { model: guide }, weight: w }] };
  }
  const { own_weight: own = 1, terms = [] } = sumOf(settings);
  const others = terms.map(({ model, given, weight: w = 1 }) => ({
    request: { ...(model && { model }), ...(given && { given: [given] }) }, weight: w,
  }));
  return { own, others };
}

export class Landscape {
  // given has the fields of a request about what samples are given.
  constructor(model, given, onChange) {
    this.model = model;
    this.given = given;
    this.centre = (model.low + model.high) / 2;
    this.radius = 0.52 * (model.high - model.low);
    this.onChange = onChange;
    this.sigmas = this.spread(densityLevels); // rising
    this.density = this.sigmas.map(() => null); // {half, log, p, marginal, picture} once known, relative to the largest p
    this.field = null;
    this.guides = new Map(); // by request, the vectors of other scores on the grid, or null until they are there
    this.note = ""; // what is missing, and why
    this.loading = this.complete = false;
    this.abort = new AbortController();
  }

  // load computes everything, the most visible parts first. If a model cannot give them, they are left out. Calling it
  // again loads what was left out, because a server is slow while it samples.
  async load() {
    if (this.loading || this.complete) return;
    this.loading = true;
    try {
      this.field ??= await this.loadField();
      this.onChange();
      this.field.seconds = Math.min(this.field.seconds, await this.secondsOfField());
      this.note = "";
      if (this.field.seconds > patience) {
        this.note = "The density is left out: for this network it would take long.";
        return;
      }
      const order = this.sigmas.map((_, i) => i);
      for (const i of [0, ...order.slice(1).reverse()]) {
        this.density[i] ??= await this.loadDensity(i);
        this.onChange();
      }
      this.complete = true;
    } catch (error) {
      if (!this.abort.signal.aborted) this.note = `Density or score field are missing: ${error.message}.`;
    } finally {
      this.loading = false;
      this.onChange();
    }
  }

  stop() {
    this.abort.abort();
  }

  // spread returns count sigmas from the smallest to just below the largest, where the density is that of the noise.
  spread(count) {
    const { sigmas } = this.model;
    const last = Math.log(sigmas[sigmas.length - 1]);
    const first = Math.log(0.75 * sigmas[0]);
    if (first <= last) return [Math.exp(last)];
    return Array.from({ length: count }, (_, i) => Math.exp(last + ((first - last) * i) / (count - 1)));
  }

  // half returns half the side of the view at a sigma. The view gets smaller as the noise decreases.
  half(sigma) {
    return this.radius + seen * sigma;
  }

  // grid returns the centres of count × count cells of a view, row by row from the top.
  grid(count, half) {
    const points = new Float32Array(2 * count * count);
    const at = (i) => this.centre - half + (2 * half * (i + 0.5)) / count;
    for (let row = 0, k = 0; row < count; row++) {
      for (let column = 0; column < count; column++) {
        points[k++] = at(column);
        points[k++] = at(count - 1 - row);
      }
    }
    return points;
  }

  // loadField returns the score at the same places of the view at every sigma, and the seconds of the fastest call.
  async loadField() {
    const sigmas = this.spread(fieldLevels);
    const vectors = [];
    let seconds = Infinity;
    for (const sigma of sigmas) {
      const start = performance.now();
      vectors.push(await this.score({}, sigma));
      seconds = Math.min(seconds, (performance.now() - start) / 1000);
    }
    return { sigmas, arrows, vectors, seconds };
  }

  async secondsOfField() {
    const start = performance.now();
    await this.score({}, this.sigmas[0]);
    return (performance.now() - start) / 1000;
  }

  // bend returns the field with the guide and the terms of settings, or without them while one of them is unknown.
  bend(settings) {
    const { own, others } = addends(settings);
    const known = others.map(({ request, weight }) => ({ weight, vectors: this.guides.get(JSON.stringify(request)) }));
    if (known.some(({ vectors }) => !vectors)) return this.field;
    const vectors = this.field.vectors.map((s, i) => s.map((v, k) =>
      known.reduce((sum, other) => sum + other.weight * other.vectors[i][k], own * v)));
    return { ...this.field, vectors };
  }

  // follow loads the scores that settings add, each once.
  follow(settings) {
    if (!this.field) return;
    for (const { request } of addends(settings).others) this.addScore(request);
  }

  async addScore(request) {
    const key = JSON.stringify(request);
    if (this.guides.has(key)) return;
    this.guides.set(key, null);
    try {
      const vectors = [];
      for (const sigma of this.field.sigmas) vectors.push(await this.score({ model: this.model.name, given: [], ...request }, sigma));
      this.guides.set(key, vectors);
    } catch (error) {
      if (!this.abort.signal.aborted) this.note = `The score field lacks ${request.model ?? "a term"}: ${error.message}.`;
    }
    this.onChange();
  }

  // score returns a model's output on the grid of arrows in the view of a sigma: that of the landscape's own model, unless
  // request names another one.
  async score(request, sigma) {
    const x = rows(this.grid(arrows, this.half(sigma)));
    const { name: model, version } = this.model;
    const own = { model, version, ...this.given };
    const { score } = await unary("SamplingService/Score", { ...(request.model ? request : own), x, sigma: [sigma] }, this.abort.signal);
    return floats(score);
  }

  async loadDensity(i) {
    const sigma = this.sigmas[i];
    const { name, version } = this.model;
    const half = this.radius + reach * sigma;
    const answer = await unary("SamplingService/LogLikelihood", {
      model: name, version, x: rows(this.grid(cells, half)), exact: true, given: this.given.given,
      flow: { sigmaMin: sigma, rtol: 1e-3, atol: 1e-3 },
    }, this.abort.signal);
    const given = answer.logLikelihood.map(Number);
    const top = Math.max(...given);
    const log = Float64Array.from(given, (l) => l - top);
    const p = Float32Array.from(log, Math.exp);
    return { half, log, p, marginal: marginal(p, (2 * half) / cells), picture: null };
  }

  get cells() {
    return cells;
  }

  // around returns the two members of a list in rising order of sigma that enclose sigma, and the distance from the
  // first.
  static around(sigmas, sigma) {
    const log = Math.log(Math.min(Math.max(sigma, sigmas[0]), sigmas[sigmas.length - 1]));
    let i = 0;
    while (i < sigmas.length - 2 && Math.log(sigmas[i + 1]) < log) i++;
    const j = Math.min(i + 1, sigmas.length - 1);
    const width = Math.log(sigmas[j]) - Math.log(sigmas[i]);
    return { i, j, t: width > 0 ? (log - Math.log(sigmas[i])) / width : 0 };
  }

  // marginalAt returns the density of the horizontal coordinate at a sigma, as a function; null while unknown.
  marginalAt(sigma) {
    return this.profileAt(sigma, (density) => density.marginal);
  }

  // conditionalAt returns the density of one coordinate while the other one, on the given axis, is held at a value plus
  // noise of sigma.
  conditionalAt(sigma, axis, value) {
    return this.profileAt(sigma, (density) => this.conditional(density, axis, value, sigma));
  }

  // profileAt interpolates the profiles of the densities around sigma.
  profileAt(sigma, profile) {
    const { i, j, t } = Landscape.around(this.sigmas, sigma);
    const around = [this.density[i], this.density[j]];
    if (around.includes(null)) return null;
    const [first, second] = around.map((density) => ({ half: density.half, values: profile(density) }));
    return (x) => (1 - t) * this.lookUp(first, x) + t * this.lookUp(second, x);
  }

  conditional({ half, log }, axis, value, sigma) {
    const width = (2 * half) / cells;
    const mean = new Float64Array(cells);
    const weights = spread.map((z) => Math.exp((-z * z) / 2));
    const whole = weights.reduce((a, b) => a + b, 0);
    spread.forEach((z, i) => {
      const at = (value + sigma * z - this.centre + half) / width - 0.5;
      const line = slice(log, axis, Math.max(0, Math.min(cells - 1, at)));
      const total = line.reduce((a, b) => a + b, 0) * width;
      line.forEach((p, k) => (mean[k] += ((weights[i] / whole) * p) / total));
    });
    return mean;
  }

  lookUp({ half, values }, x) {
    const at = ((x - this.centre + half) / (2 * half)) * cells - 0.5;
    const k = Math.floor(at);
    if (k < 0 || k + 1 >= cells) return 0;
    return values[k] + (at - k) * (values[k + 1] - values[k]);
  }
}

// marginal sums a density over the vertical axis and scales the sum so that its integral is 1.
function marginal(p, width) {
  const sums = new Float64Array(cells);
  p.forEach((v, k) => (sums[k % cells] += v));
  const total = sums.reduce((a, b) => a + b, 0) * width;
  return sums.map((v) => v / total);
}

// slice returns a density along a line between cells, up to a factor. It interpolates the logarithm, so that a line far
// from all data also has a density.
function slice(log, axis, at) {
  const first = Math.min(Math.floor(at), cells - 2);
  const t = at - first;
  const cell = (i, k) => log[axis === 0 ? (cells - 1 - k) * cells + i : (cells - 1 - i) * cells + k];
  const line = Float64Array.from({ length: cells }, (_, k) => (1 - t) * cell(first, k) + t * cell(first + 1, k));
  const top = Math.max(...line);
  return line.map((l) => Math.exp(l - top));
}
