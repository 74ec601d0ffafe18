// Samples of a model of a table: rows under the names of its columns, in the user's units and words.

const shown = 100; // rows on the page

// isTable reports whether the rows of a model have columns.
export const isTable = (model) => (model?.columns?.length ?? 0) > 0;

// axesOf returns the columns of the plane on which the rows of a table are drawn, with the range of each: the first two of
// numbers, or of categories if there are too few.
export function axesOf(model) {
  const all = model.columns.map((column, index) => ({ index, name: column.name, ...rangeOf(column) }));
  const numbers = all.filter(({ choices }) => choices === 0);
  const [x, y] = [...numbers, ...all.filter(({ choices }) => choices > 0)];
  return [x, y ?? x];
}

function rangeOf({ kind, low = 0, high = 0, words = [], values = [] }) {
  const choices = /CATEGORY|CONSTANT/.test(kind) ? Math.max(1, words.length, values.length) : 0;
  if (choices > 0) [low, high] = words.length > 0 ? [0, words.length - 1] : [Math.min(...values), Math.max(...values)];
  const margin = 0.08 * (high - low) || 0.5;
  return { low: low - margin, high: high + margin, choices };
}

// textOf returns a value as people see it: a word, or the shortest number that is the same float32.
export function textOf(column, value) {
  const word = column.words?.[value];
  if (word !== undefined) return word;
  if (!Number.isFinite(value)) return String(value);
  for (let digits = 1; digits < 9; digits++) {
    const text = Number(value.toPrecision(digits));
    if (Math.fround(text) === value) return String(text);
  }
  return String(Number(value.toPrecision(9)));
}

// linesOf returns the rows of samples as lists of texts.
function linesOf(model, samples, most = Infinity) {
  const width = model.columns.length;
  const count = Math.min(most, samples.length / width);
  return Array.from({ length: count }, (_, i) => model.columns.map((column, k) => textOf(column, samples[i * width + k])));
}

const quoted = (text) => (/[",\n\r]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

// csvOf returns samples as CSV, with a line of names.
export function csvOf(model, samples) {
  const lines = [model.columns.map(({ name }) => name), ...linesOf(model, samples)];
  return lines.map((line) => line.map(quoted).join(",") + "\n").join("");
}

// fillTable shows the first samples in an element table, and returns how many.
export function fillTable(table, model, samples) {
  const cell = (tag, text) => Object.assign(document.createElement(tag), { textContent: text });
  const row = (cells) => {
    const line = document.createElement("tr");
    line.append(...cells);
    return line;
  };
  const names = model.columns.map(({ name, unit }) => Object.assign(cell("th", unit ? `${name} (${unit})` : name), { scope: "col" }));
  const lines = linesOf(model, samples, shown);
  table.tHead.replaceChildren(row(names));
  table.tBodies[0].replaceChildren(...lines.map((texts) => row(texts.map((text) => cell("td", text)))));
  return lines.length;
}

// download hands a text to the user as a file.
export function download(name, type, text) {
  const link = document.createElement("a");
  const url = URL.createObjectURL(new Blob([text], { type }));
  Object.assign(link, { href: url, download: name });
  link.click();
  URL.revokeObjectURL(url);
}
