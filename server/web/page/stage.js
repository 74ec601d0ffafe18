// A stage draws one run: points in the plane over the landscape of their model, or pictures.

import { Landscape } from "./landscape.js";
import { isImage, writeSheet } from "./pictures.js";
import { axesOf, isTable } from "./table.js";
import { axisOf, outlineOf } from "./held.js";
import { numbersOf } from "./measured.js";

const trail = 5; // frames
const leap = 0.09; // of the side
const strip = 0.13; // of the height, for the histogram
const bins = 48;

export class Stage {
  constructor(figure) {
    this.figure = figure;
    this.canvas = figure.querySelector("canvas");
    this.name = figure.querySelector(".name");
    this.reading = figure.querySelector(".reading");
    this.context = this.canvas.getContext("2d");
    this.sheet = document.createElement("canvas");
  }

  // fit gives the canvas as many pixels as it has on the screen.
  fit() {
    const ratio = Math.min(window.devicePixelRatio || 1, 2);
    const side = Math.max(1, Math.round(this.canvas.clientWidth * ratio));
    if (this.canvas.width !== side) this.canvas.width = this.canvas.height = side;
    this.ratio = ratio;
    return side;
  }

  // draw shows the frame of a run with the given index; -1 shows the landscape alone. sigma is used if there is no
  // frame. settings are the settings of the form: their held coordinate is drawn as a line, where the next run will
  // have it.
  draw({ model, landscape, run, index, settings, sigma }) {
    this.tiles = this.view = null;
    if (this.figure.hidden || !model) return;
    const side = this.fit();
    this.colours = coloursOf(this.canvas);
    this.context.fillStyle = this.colours.ground;
    this.context.fillRect(0, 0, side, side);
    const frame = run?.frames[index];
    if (isImage(model)) {
      if (frame) this.drawImages(frame.x, model, side, run.settings);
      else this.drawPrompt(model, side, settings);
      return;
    }
    const around = frame ? smoothSigma(run.frames, index, model.sigmas.length) : sigma;
    const view = (this.view = viewOf(model, landscape, around, side));
    if (landscape) this.drawLandscape(landscape, around, settings, run?.settings ?? settings, view);
    if (settings.measure === "matrix") this.drawMeasured(settings, view);
    if (axisOf(settings) >= 0) this.drawHeld(axisOf(settings), Number(settings.at), view);
    if (frame) {
      if (settings.trails) this.drawTrails(run.frames, index, view);
      this.drawPoints(frame.x, view);
      if (landscape && !run.settings.measure) this.drawShares(frame.x, view, landscape, around, run.settings);
    }
    if (view.names) this.drawAxes(view);
    else this.drawScale(view);
  }

  drawLandscape(landscape, sigma, layers, settings, view) {
    if (layers.density) this.drawDensity(landscape, sigma, view);
    if (layers.field && landscape.field) this.drawField(landscape.bend(settings), sigma, view.side);
  }

  drawDensity(landscape, sigma, view) {
    const { i, j, t } = Landscape.around(landscape.sigmas, sigma);
    const c = this.context;
    c.save();
    c.imageSmoothingEnabled = true;
    c.imageSmoothingQuality = "high";
    const [first, second] = [landscape.density[i], landscape.density[j]];
    // Unknown parts are left out. They are never replaced by those of another sigma.
    for (const [density, alpha] of [[first, second ? 1 : 1 - t], [second, t]]) {
      if (!density) continue;
      const size = view.side * (density.half / view.half);
      c.globalAlpha = alpha;
      c.drawImage(this.picture(landscape, density), (view.side - size) / 2, (view.side - size) / 2, size, size);
    }
    c.restore();
  }

  // picture colours a density, once for each theme.
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

  // drawField draws the direction of the score at every point of the grid. The length of an arrow is σ times the score,
  // which is the distance to the denoised estimate in units of σ, up to the size of a cell.
  drawField({ sigmas, arrows, vectors }, sigma, side) {
    const { i, j, t } = Landscape.around(sigmas, sigma);
    const cell = side / arrows;
    const c = this.context;
    c.strokeStyle = this.colours.field;
    c.lineWidth = 1.1 * this.ratio;
    c.lineCap = "round";
    c.beginPath();
    for (let k = 0; k < arrows * arrows; k++) {
      const u = (1 - t) * sigmas[i] * vectors[i][2 * k] + t * sigmas[j] * vectors[j][2 * k];
      const v = (1 - t) * sigmas[i] * vectors[i][2 * k + 1] + t * sigmas[j] * vectors[j][2 * k + 1];
      const length = Math.hypot(u, v);
      if (!(length > 0)) continue;
      const reach = (cell * 0.42 * Math.tanh(length / 2)) / length;
      const x = ((k % arrows) + 0.5) * cell;
      const y = (Math.floor(k / arrows) + 0.5) * cell;
      arrow(c, x - u * reach, y + v * reach, x + u * reach, y - v * reach, cell * 0.13);
    }
    c.stroke();
  }

  // drawTrails draws the recent path of chains. It leaves out the long jumps at high noise, which would only be a
  // tangle.
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
        const [a, b] = [k + view.first, k + view.second];
        const [x0, y0, x1, y1] = [view.x(from[a]), view.y(from[b]), view.x(to[a]), view.y(to[b])];
        if (Math.abs(x1 - x0) + Math.abs(y1 - y0) > leap * view.side) continue;
        c.moveTo(x0, y0);
        c.lineTo(x1, y1);
      }
      c.stroke();
    }
    c.globalAlpha = 1;
  }

  drawPoints(x, view) {
    const c = this.context;
    const count = x.length / view.dim;
    const radius = Math.max(1.1 * this.ratio, Math.min(0.005, 0.1 / Math.sqrt(count)) * view.side);
    c.fillStyle = this.colours.point;
    c.globalAlpha = 0.85;
    c.beginPath();
    for (let k = 0; k < x.length; k += view.dim) {
      const px = view.x(x[k + view.first]);
      const py = view.y(x[k + view.second]);
      c.moveTo(px + radius, py);
      c.arc(px, py, radius, 0, 2 * Math.PI);
    }
    c.fill();
    c.globalAlpha = 1;
  }

  // drawHeld draws the line on which points are held, with a handle at each end.
  drawHeld(axis, at, view) {
    const c = this.context;
    const middle = axis === 0 ? view.x(at) : view.y(at);
    const end = (along) => (axis === 0 ? [middle, along] : [along, middle]);
    c.strokeStyle = c.fillStyle = this.colours.line;
    c.lineWidth = 1.5 * this.ratio;
    c.setLineDash([6 * this.ratio, 4 * this.ratio]);
    c.beginPath();
    c.moveTo(...end(0));
    c.lineTo(...end(view.side));
    c.stroke();
    c.setLineDash([]);
    for (const along of [0, view.side]) {
      c.beginPath();
      c.arc(...end(along), 7 * this.ratio, 0, 2 * Math.PI);
      c.fill();
    }
  }

  // drawMeasured draws the line of the points that agree with a measurement, and a band of its noise: one standard
  // deviation to each side.
  drawMeasured({ row, observed, noise_std: std }, view) {
    const [a, b] = numbersOf(row);
    const norm = Math.hypot(a, b);
    if (!(norm > 0)) return;
    const c = this.context;
    const [x, y] = [(a * Number(observed)) / norm ** 2, (b * Number(observed)) / norm ** 2];
    const reach = 3 * view.half + Math.hypot(x, y);
    const across = (2 * Number(std) * view.side) / (2 * view.half * norm);
    c.strokeStyle = this.colours.line;
    for (const [width, alpha] of [[across, 0.15], [1.5 * this.ratio, 1]]) {
      c.globalAlpha = alpha;
      c.lineWidth = Math.max(width, 1);
      c.beginPath();
      c.moveTo(view.x(x - (reach * b) / norm), view.y(y + (reach * a) / norm));
      c.lineTo(view.x(x + (reach * b) / norm), view.y(y - (reach * a) / norm));
      c.stroke();
    }
    c.globalAlpha = 1;
  }

  // drawShares compares the positions of the chains with the model's density at this sigma: horizontally, or vertically
  // if the horizontal coordinate is held.
  drawShares(x, view, landscape, sigma, settings) {
    const held = axisOf(settings);
    const c = this.context;
    c.save();
    if (held === 0) c.transform(0, -1, -1, 0, view.side, view.side);
    const density = held < 0 ? landscape.marginalAt(sigma) : landscape.conditionalAt(sigma, held, Number(settings.at));
    this.drawHistogram(x, held === 0 ? view.second : 0, view, density);
    c.restore();
  }

  // drawHistogram draws the chains' coordinate at an offset in their rows, and a density.
  drawHistogram(x, offset, view, density) {
    if (!density) return;
    const { side } = view;
    const counts = new Float64Array(bins);
    for (let k = offset; k < x.length; k += view.dim) {
      const bin = Math.floor((view.x(x[k]) / side) * bins);
      if (bin >= 0 && bin < bins) counts[bin]++;
    }
    const width = (2 * view.half) / bins;
    const line = Array.from({ length: 4 * bins + 1 }, (_, i) => density(view.low + (i * width) / 4) * width);
    const top = 1.25 * Math.max(...line);
    const height = (share) => strip * side * Math.min(1, share / top);
    const c = this.context;
    c.fillStyle = this.colours.point;
    c.globalAlpha = 0.35;
    counts.forEach((n, i) => {
      const h = height((n * view.dim) / x.length);
      c.fillRect((i * side) / bins, side - h, side / bins - 1, h);
    });
    c.globalAlpha = 1;
    c.strokeStyle = this.colours.line;
    c.lineWidth = 1.5 * this.ratio;
    c.beginPath();
    line.forEach((p, i) => c.lineTo((i * side) / (line.length - 1), side - height(p)));
    c.stroke();
  }

  // drawScale shows the size of the view, because it changes.
  drawScale(view) {
    const c = this.context;
    const text = `${short(view.low)} to ${short(view.low + 2 * view.half)}`;
    c.font = `${12 * this.ratio}px system-ui, sans-serif`;
    c.textAlign = "right";
    const width = c.measureText(text).width + 12 * this.ratio;
    c.globalAlpha = 0.75;
    c.fillStyle = this.colours.ground;
    c.fillRect(view.side - width, 0, width, 22 * this.ratio);
    c.globalAlpha = 1;
    c.fillStyle = this.colours.soft;
    c.fillText(text, view.side - 6 * this.ratio, 15.5 * this.ratio);
  }

  // drawAxes writes the ranges of both columns of a table at the edges, with their names.
  drawAxes({ side, names: [across, up] }) {
    const c = this.context;
    const margin = 8 * this.ratio;
    c.font = `${12 * this.ratio}px system-ui, sans-serif`;
    c.fillStyle = this.colours.soft;
    const write = (text, x, y, align) => {
      c.textAlign = align;
      c.fillText(text, x, y);
    };
    write(short(across.low), margin, side - margin, "left");
    write(across.name, side / 2, side - margin, "center");
    write(short(across.high), side - margin, side - margin, "right");
    c.save();
    c.transform(0, -1, 1, 0, 0, side);
    const top = 14 * this.ratio;
    write(short(up.low), 3 * margin, top, "left");
    write(up.name, side / 2, top, "center");
    write(short(up.high), side - margin, top, "right");
    c.restore();
  }

  // drawImages puts every picture on a sheet, with one pixel for each of theirs, and enlarges them. They form nearly a
  // square, or the rows of an interpolation.
  drawImages(x, model, side, settings) {
    const [, height, width] = model.shape;
    const count = writeSheet(this.sheet, x, model);
    const columns = Math.min(count, Number(settings.columns) || Math.ceil(Math.sqrt((count * height) / width)));
    const lines = Math.ceil(count / columns);
    const gap = Math.max(2, Math.round((0.05 * side) / Math.max(columns, lines)));
    const zoom = Math.min((side - gap * (columns + 1)) / (columns * width), (side - gap * (lines + 1)) / (lines * height));
    const [w, h] = [Math.floor(zoom * width), Math.floor(zoom * height)];
    const left = Math.round((side - columns * w - (columns - 1) * gap) / 2);
    const top = Math.round((side - lines * h - (lines - 1) * gap) / 2);
    const c = this.context;
    c.imageSmoothingEnabled = false;
    this.tiles = { left, top, w, h, gap, columns, count };
    const outline = settings.hold === "part" && settings.held ? outlineOf(settings.held.mask, width) : null;
    for (let n = 0; n < count; n++) {
      const at = [left + (n % columns) * (w + gap), top + Math.floor(n / columns) * (h + gap)];
      c.drawImage(this.sheet, 0, n * height, width, height, ...at, w, h);
      if (outline) this.drawOutline(outline, at, w / width, h / height);
    }
  }

  drawOutline(outline, at, zoomX, zoomY) {
    const c = this.context;
    c.save();
    c.translate(...at);
    c.scale(zoomX, zoomY);
    c.strokeStyle = this.colours.point;
    c.globalAlpha = 0.7;
    c.lineWidth = this.ratio / zoomX;
    c.stroke(outline);
    c.restore();
  }

  // tileAt returns the index of the picture under a pointer; -1 for none.
  tileAt(event) {
    if (!this.tiles) return -1;
    const { left, top, w, h, gap, columns, count } = this.tiles;
    const column = Math.floor((event.offsetX * this.ratio - left) / (w + gap));
    const line = Math.floor((event.offsetY * this.ratio - top) / (h + gap));
    const index = line * columns + column;
    return column >= 0 && column < columns && line >= 0 && index < count ? index : -1;
  }

  // pointAt returns the place on the plane under a pointer; null if there is no plane.
  pointAt(event) {
    if (!this.view) return null;
    const { low, half, side } = this.view;
    const scale = (2 * half * this.ratio) / side;
    return [low + event.offsetX * scale, low + 2 * half - event.offsetY * scale];
  }

  // drawPrompt shows what to do, over noise like the chains' initial states.
  drawPrompt(model, side, settings) {
    const c = this.context;
    c.globalAlpha = 0.3;
    this.drawImages(snow(model, Math.min(settings.n || 1, 64)), model, side, {});
    this.tiles = null;
    c.globalAlpha = 1;
    const text = "Press Sample and watch pictures emerge from noise";
    c.font = `600 ${Math.min(15 * this.ratio, side / 32)}px system-ui, sans-serif`;
    c.textAlign = "center";
    const width = c.measureText(text).width + 36 * this.ratio;
    c.fillStyle = this.colours.ground;
    c.beginPath();
    c.roundRect((side - width) / 2, side / 2 - 23 * this.ratio, width, 46 * this.ratio, 12 * this.ratio);
    c.fill();
    c.fillStyle = this.colours.soft;
    c.fillText(text, side / 2, side / 2 + 5 * this.ratio);
  }
}

// snow returns noise over the range of a model. It is always the same.
function snow(model, count) {
  const size = model.shape.reduce((a, b) => a * b, 1);
  let state = 1;
  return Float32Array.from({ length: count * size }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return model.low + ((model.high - model.low) * state) / 2 ** 32;
  });
}

function arrow(c, x0, y0, x1, y1, head) {
  const angle = Math.atan2(y1 - y0, x1 - x0);
  c.moveTo(x0, y0);
  c.lineTo(x1, y1);
  c.moveTo(x1 - head * Math.cos(angle - 0.5), y1 - head * Math.sin(angle - 0.5));
  c.lineTo(x1, y1);
  c.lineTo(x1 - head * Math.cos(angle + 0.5), y1 - head * Math.sin(angle + 0.5));
}

// viewOf maps the first two coordinates of a chain to pixels. Two columns of a table have a scale each, unless their
// landscape is drawn.
function viewOf(model, landscape, sigma, side) {
  if (isTable(model) && !landscape) return tableView(model, side);
  const dim = model.shape.reduce((a, b) => a * b, 1);
  const half = landscape ? landscape.half(sigma) : 0.55 * (model.high - model.low);
  const low = (model.low + model.high) / 2 - half;
  const scale = side / (2 * half);
  return { side, dim, half, low, first: 0, second: Math.min(1, dim - 1), x: (v) => (v - low) * scale, y: (v) => side - (v - low) * scale };
}

function tableView(model, side) {
  const [across, up] = axesOf(model);
  const along = ({ low, high }) => (v) => (side * (v - low)) / (high - low);
  const [x, y] = [along(across), along(up)];
  return { side, dim: model.columns.length, first: across.index, second: up.index, names: [across, up], x, y: (v) => side - y(v) };
}

// smoothSigma returns the sigma near a frame. Its logarithm is averaged over the length of a noise level, so that the
// view does not jump from level to level.
function smoothSigma(frames, index, levels) {
  const reach = Math.floor(frames.length / (2 * levels));
  const [from, to] = [Math.max(0, index - reach), Math.min(frames.length - 1, index + reach)];
  let sum = 0;
  for (let i = from; i <= to; i++) sum += Math.log(frames[i].sigma);
  return Math.exp(sum / (to - from + 1));
}

const short = (v) => String(Number(v.toPrecision(2))).replace("-", "−");

// coloursOf reads the theme from the style sheet.
function coloursOf(element) {
  const style = getComputedStyle(element);
  const read = (name) => style.getPropertyValue(name).trim();
  const stops = ["--ramp-0", "--ramp-1", "--ramp-2", "--ramp-3"].map((name) => rgb(read(name)));
  return {
    key: read("--ramp-3"),
    ground: read("--stage"), point: read("--point"), field: read("--field"), line: read("--line"), soft: read("--soft"),
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
