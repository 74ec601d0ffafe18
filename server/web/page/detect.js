// The panel that compares one sample with the training data: its p-value, and its norms at every noise level.

import { rows, unary } from "./api.js";
import { Drawing } from "./drawing.js";
import { givenOf } from "./given.js";
import { acceptFiles, isImage } from "./pictures.js";
import { rounded } from "./numbers.js";
import { isTable } from "./table.js";
import { readForm } from "./settings.js";

const alarm = 0.01; // p-values up to this one are unlike the training data
const clear = 4; // standard deviations that the chart shows at least

// cellsOf splits a line at tabs, or else at commas outside quotes.
function cellsOf(line) {
  if (line.includes("\t")) return line.split("\t").map((cell) => cell.trim());
  const cells = [...line.matchAll(/(?:^|,)\s*(?:"((?:[^"]|"")*)"|([^,]*))\s*(?=,|$)/g)];
  return cells.map(([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain.trim());
}

// rowOf reads a line as one sample of a model. Words of a table's columns become their indices. It throws an error that
// names the column that is wrong.
export function rowOf(line, model) {
  const columns = model.columns ?? [];
  const size = model.shape.reduce((a, b) => a * b, 1);
  const width = columns.length || size;
  const cells = cellsOf(line.trim());
  if (cells.length !== width) {
    throw new Error(`The row has ${cells.length} ${cells.length === 1 ? "value" : "values"}: want ${width}.`);
  }
  return cells.map((cell, k) => {
    const { words = [], name = `Value ${k + 1}` } = columns[k] ?? {};
    const value = words.length > 0 ? words.indexOf(cell) : Number(cell);
    if (words.length > 0 && value < 0) throw new Error(`${name} is ${cell}: want ${words.join(", ")}.`);
    if (cell === "" || !Number.isFinite(value)) throw new Error(`${name} is ${cell || "empty"}: want a number.`);
    return value;
  });
}

// barsOf returns the chart of the deviations of norms: a bar for every noise level, and a band two standard deviations
// around what samples like the training data have.
function barsOf(deviations, sigmas) {
  const [width, height] = [20, 60];
  const make = (tag, attributes) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    Object.entries(attributes).forEach(([name, value]) => element.setAttribute(name, value));
    return element;
  };
  const top = Math.max(clear, ...deviations.map(Math.abs));
  const length = (z) => (Math.abs(z) / top) * height;
  const total = width * deviations.length;
  const band = make("rect", { class: "band", x: 0, width: total, y: height - length(2), height: 2 * length(2) });
  const axis = make("line", { x1: 0, x2: total, y1: height, y2: height });
  const bars = deviations.map((z, i) => {
    const bar = make("rect", {
      class: "bar", x: width * i + 3, width: width - 6, y: z > 0 ? height - length(z) : height, height: length(z),
    });
    const title = make("title", {});
    title.textContent = `σ ${rounded(sigmas[i])}: ${rounded(z)} standard deviations from the mean`;
    bar.append(title);
    return bar;
  });
  const chart = make("svg", { viewBox: `0 0 ${total} ${2 * height}`, role: "img", preserveAspectRatio: "none" });
  chart.setAttribute("aria-label", `Deviations of the norms by noise level: ${deviations.map(rounded).join(", ")}`);
  chart.append(band, axis, ...bars);
  return chart;
}

export class Detection {
  // form has the condition. onFile(load, file) loads a file and reports what goes wrong, and onError reports an error.
  constructor(panel, form, onFile, onError) {
    Object.assign(this, { panel, form, onError, model: null, abort: new AbortController() });
    const find = (selector) => panel.querySelector(selector);
    const [mask, known] = ["mask", "known"].map(() => form.appendChild(document.createElement("input")));
    [mask, known].forEach((input) => (input.type = "hidden")); // without a name they are no settings
    const fields = { mask, known, brush: find("[name=detect_pen]"), paint: form.elements.detect_stroke };
    this.easel = new Drawing(find(".easel"), fields, () => this.check(this.easel.values));
    this.row = find("[name=detect_row]");
    this.result = find(".result");
    find(".blank").addEventListener("click", () => this.easel.blank());
    find(".sample").addEventListener("click", () => {
      this.easel.another(Math.floor(Math.random() * 1e6)).catch(onError);
    });
    const upload = (file) => onFile((f) => this.easel.upload(f), file);
    const file = find("[type=file]");
    file.addEventListener("change", () => {
      upload(file.files[0]);
      file.value = ""; // so that the same file can be chosen again
    });
    acceptFiles(this.easel.canvas, upload);
    find(".check").addEventListener("click", () => this.checkRow());
    this.row.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault(); // of the settings: it would draw samples
      this.checkRow();
    });
  }

  // open starts with a model. Without a detector there is no panel.
  open(model) {
    this.abort.abort();
    this.model = model;
    this.panel.hidden = !model.detector;
    this.panel.open = false;
    this.result.hidden = true;
    this.say("");
    this.panel.querySelector(".easel").hidden = !isImage(model);
    this.panel.querySelector(".of-row").hidden = isImage(model);
    this.row.value = "";
    this.row.placeholder = isTable(model) ? model.columns.map(({ name }) => name).join(", ") : "numbers, as 0.5, -1";
    if (!model.detector || !isImage(model)) return;
    this.easel.open(model);
    this.easel.say("Draw, or drop a picture.");
  }

  say(text) {
    this.panel.querySelector(".refusal").textContent = text;
  }

  checkRow() {
    try {
      this.check(rowOf(this.row.value, this.model));
    } catch (error) {
      this.result.hidden = true;
      this.say(error.message);
    }
  }

  // check asks the server about a sample. A newer question ends it.
  async check(values) {
    this.abort.abort();
    if (!values) return;
    const { model } = this;
    const { signal } = (this.abort = new AbortController());
    const { given } = model.detector.given ? givenOf(readForm(this.form)) : {};
    try {
      const request = { model: model.name, x: rows(values), deviations: true, ...(given && { given }) };
      const answer = await unary("SamplingService/Detect", request, signal);
      if (!signal.aborted) this.show(answer, model.detector.sigmas);
    } catch (error) {
      if (signal.aborted) return;
      this.result.hidden = true;
      if (error.fields?.length > 0) this.say(error.fields.map(({ description }) => description).join(" "));
      else this.onError(error);
    }
  }

  show({ pValue: [p], distance: [distance], calibrated, deviation }, sigmas) {
    const set = (name, text) => (this.result.querySelector(name).textContent = text);
    const least = p * (Number(calibrated) + 1) < 1.5;
    this.say("");
    this.result.hidden = false;
    this.result.classList.toggle("alarm", p <= alarm);
    set(".verdict", p <= alarm ? "Alarm: unlike the training data" : "Like the training data");
    set(".p-value", rounded(p) + (least ? ", the smallest that there is" : ""));
    set(".distance", rounded(distance));
    set(".largest", `σ ${rounded(sigmas[0])}`);
    set(".smallest", `σ ${rounded(sigmas[sigmas.length - 1])}`);
    this.result.querySelector(".chart").replaceChildren(barsOf(deviation, sigmas));
  }
}
