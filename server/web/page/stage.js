// A stage draws one run: points in the plane over the landscape of their model, or pictures.

import { Landscape } from "./landscape.js";

const trail = 5; // frames
const strip = 0.13; // of the height, for the histogram
const bins = 48;

export class Stage {
  constructor(figure) {
    this.figure = figure;
    this.canvas = figure.querySelector("canvas");
    this.name = figure.querySelector(".name");
    this.reading = figure.querySelector(".reading");
    this.context = this.canvas.getContext("2d");
    this.scratch = document.createElement("canvas");
  }

  // fit gives the canvas as many pixels as the screen has for it.
  fit() {
    const ratio = Math.min(window.devicePixelRatio || 1, 2);
    const side = Math.max(1, Math.round(this.canvas.clientWidth * ratio));
    if (this.canvas.width !== side) this.canvas.width = this.canvas.height = side;
    this.ratio = ratio;
    return side;
  }

  // draw shows a frame of a run, by its index; -1 shows the landscape alone. sigma is used while there is no frame.
  draw({ model, landscape, run, index, layers, sigma }) {
    if (this.figure.hidden || !model) return;
    const side = this.fit();
    this.colours = coloursOf(this.canvas);
    this.context.fillStyle = this.colours.ground;
    this.context.fillRect(0, 0, side, side);
    const frame = run?.frames[index];
    if (isImage(model)) {
      if (frame) this.drawImages(frame.x, model, side);
      else this.drawPrompt(side, "Press Sample and watch pictures emerge from noise");
      return;
    }
    if (landscape) this.drawLandscape(landscape, frame?.sigma ?? sigma, layers, side);
    if (!frame) return;
    const view = viewOf(model, landscape, side);
    if (layers.trails) this.drawTrails(run.frames, index, view);
    this.drawPoints(frame.x, view);
    this.drawHistogram(frame.x, view, landscape, side);
  }

  drawLandscape(landscape, sigma, layers, side) {
    if (layers.density && landscape.density.length > 0) this.drawDensity(landscape, sigma, side);
    if (layers.field && landscape.field) this.drawField(landscape, sigma, side);
  }

  drawDensity(landscape, sigma, side) {
    const { i, j, t } = Landscape.around(landscape.density.map((d) => d.sigma), sigma);
    const c = this.context;
    c.save();
    c.imageSmoothingEnabled = true;
    c.imageSmoothingQuality = "high";
    c.drawImage(this.picture(landscape, landscape.density[i]), 0, 0, side, side);
    c.globalAlpha = t;
    if (t > 0) c.drawImage(this.picture(landscape, landscape.density[j]), 0, 0, side, side);
    c.restore();
  }

  // picture colours a density once for each theme.
  picture(landscape, density) {
    if (density.picture?.theme === this.colours.key) return density.picture;
    const picture = document.createElement("canvas");
    picture.width = picture.height = landscape.cells;
    const context = picture.getContext("2d");
    const data = context.createImageData(landscape.cells, landscape.cells);
    density.p.forEach((p, k) => data.data.set(this.colours.ramp(Math.sqrt(p)), 4 * k));
    context.putImageData(data, 0, 0);
    picture.theme = this.colours.key;
    density.picture = picture;
    return picture;
  }

  // drawField draws the direction of the score at every point of the grid. The length is that of σ times the score, the
  // distance to the denoised estimate in units of σ, up to the size of a cell.
  drawField(landscape, sigma, side) {
    const { sigmas, points, vectors } = landscape.field;
    const { i, j, t } = Landscape.around(sigmas, sigma);
    const scale = side / (landscape.high - landscape.low);
    const cell = side / Math.sqrt(points.length / 2);
    const c = this.context;
    c.strokeStyle = c.fillStyle = this.colours.field;
    c.lineWidth = 1.1 * this.ratio;
    c.lineCap = "round";
    c.beginPath();
    for (let k = 0; k < points.length; k += 2) {
      const u = (1 - t) * sigmas[i] * vectors[i][k] + t * sigmas[j] * vectors[j][k];
      const v = (1 - t) * sigmas[i] * vectors[i][k + 1] + t * sigmas[j] * vectors[j][k + 1];
      const length = Math.hypot(u, v);
      if (!(length > 0)) continue;
      const reach = (cell * 0.42 * Math.tanh(length / 2)) / length;
      const x = (points[k] - landscape.low) * scale;
      const y = side - (points[k + 1] - landscape.low) * scale;
      arrow(c, x - u * reach, y + v * reach, x + u * reach, y - v * reach, cell * 0.13);
    }
    c.stroke();
  }

  drawTrails(frames, index, view) {
    const c = this.context;
    c.strokeStyle = this.colours.point;
    c.lineWidth = 1 * this.ratio;
    for (let age = Math.min(trail, index); age > 0; age--) {
      const from = frames[index - age].x;
      const to = frames[index - age + 1].x;
      c.globalAlpha = 0.32 * (1 - age / (trail + 1));
      c.beginPath();
      for (let k = 0; k + 1 < to.length; k += view.dim) {
        c.moveTo(view.x(from[k]), view.y(from[k + view.second]));
        c.lineTo(view.x(to[k]), view.y(to[k + view.second]));
      }
      c.stroke();
    }
    c.globalAlpha = 1;
  }

  drawPoints(x, view) {
    const c = this.context;
    const count = x.length / view.dim;
    const radius = this.ratio * Math.max(1.1, Math.min(3, 60 / Math.sqrt(count)));
    c.fillStyle = this.colours.point;
    c.globalAlpha = 0.85;
    c.beginPath();
    for (let k = 0; k < x.length; k += view.dim) {
      const px = view.x(x[k]);
      const py = view.y(x[k + view.second]);
      c.moveTo(px + radius, py);
      c.arc(px, py, radius, 0, 2 * Math.PI);
    }
    c.fill();
    c.globalAlpha = 1;
  }

  // drawHistogram holds where the chains are along the horizontal axis against where the model's density is.
  drawHistogram(x, view, landscape, side) {
    const expected = landscape?.marginal();
    if (!expected) return;
    const counts = new Float64Array(bins);
    for (let k = 0; k < x.length; k += view.dim) {
      const bin = Math.floor((view.x(x[k]) / side) * bins);
      if (bin >= 0 && bin < bins) counts[bin]++;
    }
    const total = x.length / view.dim;
    const line = Array.from(expected, (p) => (p * expected.length) / bins);
    const top = 1.25 * Math.max(...line);
    const height = (share) => strip * side * Math.min(1, share / top);
    const c = this.context;
    c.fillStyle = this.colours.point;
    c.globalAlpha = 0.35;
    counts.forEach((n, i) => c.fillRect((i * side) / bins, side - height(n / total), side / bins - 1, height(n / total)));
    c.globalAlpha = 1;
    c.strokeStyle = this.colours.line;
    c.lineWidth = 1.5 * this.ratio;
    c.beginPath();
    line.forEach((p, i) => c.lineTo(((i + 0.5) * side) / line.length, side - height(p)));
    c.stroke();
  }

  // drawImages tiles pictures, one pixel for each of theirs, and enlarges the whole.
  drawImages(x, model, side) {
    const [channels, height, width] = model.shape;
    const size = channels * height * width;
    const count = x.length / size;
    const columns = Math.ceil(Math.sqrt((count * height) / width));
    const lines = Math.ceil(count / columns);
    const s = this.scratch;
    s.width = columns * (width + 1) - 1;
    s.height = lines * (height + 1) - 1;
    const context = s.getContext("2d");
    const data = context.createImageData(s.width, s.height);
    const scale = 255 / (model.high - model.low);
    for (let n = 0; n < count; n++) {
      const left = (n % columns) * (width + 1);
      const top = Math.floor(n / columns) * (height + 1);
      for (let p = 0; p < height * width; p++) {
        const at = 4 * ((top + Math.floor(p / width)) * s.width + left + (p % width));
        for (let channel = 0; channel < 3; channel++) {
          const source = n * size + Math.min(channel, channels - 1) * height * width + p;
          data.data[at + channel] = (x[source] - model.low) * scale; // clamped by the array
        }
        data.data[at + 3] = 255;
      }
    }
    context.putImageData(data, 0, 0);
    const zoom = Math.min(side / s.width, side / s.height);
    const c = this.context;
    c.imageSmoothingEnabled = false;
    c.drawImage(s, (side - zoom * s.width) / 2, (side - zoom * s.height) / 2, zoom * s.width, zoom * s.height);
  }

  drawPrompt(side, text) {
    const c = this.context;
    c.fillStyle = this.colours.field;
    c.font = `${15 * this.ratio}px system-ui, sans-serif`;
    c.textAlign = "center";
    c.fillText(text, side / 2, side / 2, side * 0.9);
  }
}

function arrow(c, x0, y0, x1, y1, head) {
  const angle = Math.atan2(y1 - y0, x1 - x0);
  c.moveTo(x0, y0);
  c.lineTo(x1, y1);
  c.moveTo(x1 - head * Math.cos(angle - 0.5), y1 - head * Math.sin(angle - 0.5));
  c.lineTo(x1, y1);
  c.lineTo(x1 - head * Math.cos(angle + 0.5), y1 - head * Math.sin(angle + 0.5));
}

// viewOf maps the first two coordinates of a chain to pixels.
function viewOf(model, landscape, side) {
  const dim = model.shape.reduce((a, b) => a * b, 1);
  const low = landscape?.low ?? model.low;
  const high = landscape?.high ?? model.high;
  const scale = side / (high - low);
  return { dim, second: Math.min(1, dim - 1), x: (v) => (v - low) * scale, y: (v) => side - (v - low) * scale };
}

export function isImage(model) {
  return model.shape.length === 3 && (model.shape[0] === 1 || model.shape[0] === 3);
}

export function isPlane(model) {
  return model.shape.length === 1 && model.shape[0] === 2;
}

// coloursOf reads the theme from the style sheet.
function coloursOf(element) {
  const style = getComputedStyle(element);
  const read = (name) => style.getPropertyValue(name).trim();
  const stops = ["--ramp-0", "--ramp-1", "--ramp-2", "--ramp-3"].map((name) => rgb(read(name)));
  return {
    key: read("--ramp-3"),
    ground: read("--stage"), point: read("--point"), field: read("--field"), line: read("--line"),
    ramp: (v) => {
      const at = Math.min(Math.max(v, 0), 1) * (stops.length - 1);
      const i = Math.min(Math.floor(at), stops.length - 2);
      const mixed = stops[i].map((a, k) => a + (at - i) * (stops[i + 1][k] - a));
      return [...mixed, 255];
    },
  };
}

function rgb(hex) {
  return [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
}
