// What was measured of the samples of a run: y = A x + noise. It has a form for links and one for requests. The
// operators A are those of the server, so that the page can measure a picture itself.

import { isImage } from "./pictures.js";
import { isPlane } from "./landscape.js";
import { greyOf } from "./held.js";

// measuresOf returns what can be measured of a model's samples, by the words in links.
export function measuresOf(model) {
  if (isPlane(model) && !model.columns?.length) return { "": "Nothing", matrix: "A weighted sum" };
  if (!isImage(model)) return {};
  return {
    "": "Nothing", pool: "Means of blocks", blur: "A blurred picture", mask: "A part of the pixels",
    ...(model.shape[0] > 1 && { grey: "The grey" }),
  };
}

const ofAll = ["noise_std", "posterior", "particles"];
const ofEach = {
  pool: ["factor", "whole"], blur: ["blur_std", "whole"], mask: ["seen", "whole"], grey: ["whole"],
  matrix: ["row", "observed"],
};

// measureCompanions returns the settings that belong to what is measured.
export const measureCompanions = (measure) => (ofEach[measure] ? [...ofEach[measure], ...ofAll] : []);

export const measuresPicture = (settings) => Boolean(settings.measure) && settings.measure !== "matrix";

export const numbersOf = (text) => text.split(",").map(Number);

// measurementOf returns the part of the request for settings. For pictures, measured has the observation.
export function measurementOf(settings) {
  const { measure, observed, measured, noise_std: std } = settings;
  if (!measure || (measuresPicture(settings) && !measured)) return {};
  const values = measure === "matrix" ? [Number(observed)] : Array.from(measured.values);
  const operator = { [measure]: operatorOf(settings) };
  return { measurement: { ...operator, values: { values }, noise_std: Number(std), ...methodOf(settings) } };
}

function operatorOf({ measure, factor, blur_std: std, measured, row }) {
  switch (measure) {
    case "pool":
      return { factor: Number(factor) };
    case "blur": {
      const { side, values } = gaussian(Number(std));
      return { kernel: { shape: [side, side], values } };
    }
    case "mask":
      return { seen: measured.seen };
    case "matrix":
      return { rows: { values: numbersOf(row) } };
    default:
      return {};
  }
}

function methodOf({ posterior, particles }) {
  if (!posterior) return {};
  return { [posterior]: posterior === "particles" && particles ? { count: Number(particles) } : {} };
}

// gaussian returns the kernel of a blur, cut off at three standard deviations.
export function gaussian(std) {
  const reach = Math.ceil(3 * std);
  const side = 2 * reach + 1;
  const weights = Array.from({ length: side * side }, (_, k) => {
    const [down, across] = [Math.floor(k / side) - reach, (k % side) - reach];
    return Math.exp(-(down ** 2 + across ** 2) / (2 * std ** 2));
  });
  const total = weights.reduce((a, b) => a + b, 0);
  return { side, values: weights.map((w) => Math.fround(w / total)) };
}

// shapeOfMeasured returns the shape of the picture that an operator makes of a sample.
export function shapeOfMeasured({ measure, factor }, [channels, height, width]) {
  const blocks = (v) => Math.max(1, Math.floor(v / Math.max(1, Number(factor))) || 1);
  if (measure === "pool") return [channels, blocks(height), blocks(width)];
  return [measure === "grey" ? 1 : channels, height, width];
}

// measureOf returns A x for one sample x of a shape. seen says which pixels a mask measures.
export function measureOf(settings, x, shape, seen) {
  const [channels, height, width] = shape;
  switch (settings.measure) {
    case "pool":
      return pooled(x, shape, shapeOfMeasured(settings, shape), Number(settings.factor));
    case "blur":
      return blurred(x, shape, gaussian(Number(settings.blur_std)));
    case "grey":
      return Float32Array.from(greyOf(x, height * width));
    case "mask":
      return x.filter((_, i) => seen[i % (height * width)]);
    default:
      throw new Error(`${settings.measure} of pictures of ${channels} channels`);
  }
}

function pooled(x, [, height, width], [channels, rows, columns], factor) {
  const y = new Float32Array(channels * rows * columns);
  for (let k = 0; k < y.length; k++) {
    const [left, line] = [(k % columns) * factor, Math.floor(k / columns)];
    const [top, channel] = [(line % rows) * factor, Math.floor(line / rows)];
    let sum = 0;
    for (let p = 0; p < factor ** 2; p++) {
      sum += x[(channel * height + top + Math.floor(p / factor)) * width + left + (p % factor)];
    }
    y[k] = sum / factor ** 2;
  }
  return y;
}

// blurred weighs every channel by a kernel. Beyond its edges a picture goes on at the opposite edge.
function blurred(x, [, height, width], { side, values }) {
  const reach = (side - 1) / 2;
  const around = (v, n) => ((v % n) + n) % n;
  return Float32Array.from(x, (_, k) => {
    const [a, b] = [Math.floor(k / width) % height, k % width];
    const first = k - (a * width + b);
    let sum = 0;
    values.forEach((w, i) => {
      const row = around(a + Math.floor(i / side) - reach, height);
      sum += w * x[first + row * width + around(b + (i % side) - reach, width)];
    });
    return sum;
  });
}

// normal returns n draws from N(0, 1). They are the same every time, so that a link gives the same observation.
export function normal(n) {
  let state = 1;
  const uniform = () => { // mulberry32
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  return Array.from({ length: n }, () => {
    const [radius, angle] = [Math.sqrt(-2 * Math.log(1 - uniform())), 2 * Math.PI * uniform()];
    return radius * Math.cos(angle);
  });
}

// momentsOf returns the mean of every element over samples of a size, and its standard deviation, with the divisor
// n - 1.
export function momentsOf(x, size) {
  const n = x.length / size;
  const [mean, deviation] = [new Float32Array(size), new Float32Array(size)];
  for (let i = 0; i < size; i++) {
    let [sum, squares] = [0, 0];
    for (let k = i; k < x.length; k += size) sum += x[k];
    for (let k = i; k < x.length; k += size) squares += (x[k] - sum / n) ** 2;
    mean[i] = sum / n;
    deviation[i] = Math.sqrt(squares / Math.max(1, n - 1));
  }
  return { mean, deviation };
}
