// The request on the screen as a program makes it.

import { given, samplers, requestOf } from "./samplers.js";

const snake = (name) => name.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`);
const enums = /^(REFRESH|GUIDANCE_RULE)_/; // prefixes of the names of enums' values

// short returns the short form of a message: fields have their names in the .proto, enums are the ends of their names,
// tensors are arrays, in rows if they have a shape of rows. The vector that samples are given is none.
function short(value) {
  if (Array.isArray(value)) return value;
  if (typeof value !== "object") return enums.test(value) ? value.replace(enums, "").toLowerCase() : value;
  if (Array.isArray(value.values)) return value.shape ? inRows(value.values, value.shape[1]) : value.values;
  return Object.fromEntries(Object.entries(value).filter(([, v]) => v !== undefined).map(([k, v]) => [snake(k), k === "vector" ? v : short(v)]));
}

function inRows(values, columns) {
  return Array.from({ length: values.length / columns }, (_, i) => values.slice(i * columns, (i + 1) * columns));
}

// inFile reports whether the request is too long for a line, because a picture belongs to it.
export const inFile = (s) => Boolean(s.held || s.measured);

// bodyOf returns the request as the JSON that curl sends.
function bodyOf(settings) {
  const { model, seed, ...rest } = requestOf(settings, true);
  const number = Number.isSafeInteger(Number(seed)) ? Number(seed) : seed;
  return short({ ...(seed && { seed: number }), ...rest });
}

function body(settings) {
  return JSON.stringify(bodyOf(settings), null, 1).replace(/\n\s*/g, " ").replace(/([{[]) /g, "$1").replace(/ ([}\]])/g, "$1");
}

// requestFile returns the request as a file, because a picture is too long for a line.
export function requestFile(settings) {
  return JSON.stringify(bodyOf(settings));
}

const writers = {
  curl: (s) => `curl -H 'Accept: text/csv' ${location.origin}/v1/models/${s.model}:sample \\
  -d ${inFile(s) ? "@request.json" : `'${body(s)}'`}`,

  python: (s) => `import json, urllib.request

request = urllib.request.Request(
    "${location.origin}/v1/models/${s.model}:sample",
    data=${inFile(s) ? 'open("request.json", "rb").read()' : `b'${body(s)}'`})
with urllib.request.urlopen(request) as answer:
    samples = json.load(answer)["samples"]
print(len(samples), samples[0])`,

  go: (s) => {
    const fields = given(s).map(([setting, text]) => `${setting.go}: ${goValue(setting, text)}`);
    const seed = s.seed ? `, Seed: new(uint64(${s.seed}))` : "";
    const sampler = `Sampler: client.${samplers.get(s.sampler).go}{${fields.join(", ")}},`;
    return `c, err := client.New("localhost:50051")
if err != nil {
	log.Fatal(err)
}
defer c.Close()
res, err := c.Sample(ctx, client.SampleRequest{
	Model: "${s.model}", N: ${s.n}${seed},
	${s.measure ? goMeasurement(s) : sampler}${goConditions(s)}
})
if err != nil {
	log.Fatal(err)
}
fmt.Println(res.N, "samples, the first", res.Row(0))`;
  },
};

// goValue returns the value of a setting in Go.
function goValue({ type, words, go_pointer: pointer }, text) {
  switch (type) {
    case "numbers":
      return `[]float64{${text.split(",").map(Number).join(", ")}}`;
    case "switch":
      return `new(${text})`;
    case "word":
      return `client.${words.find(({ word }) => word === text).go}`;
    default:
      return pointer ? `new(float64(${Number(text)}))` : String(Number(text));
  }
}

// goGiven returns what samples are given in Go.
function goGiven({ class: index, class_name: name, vector }) {
  if (vector) return `client.Vector{${vector.values.join(", ")}}`;
  return name === undefined ? `client.Class(${index})` : `client.ClassName(${JSON.stringify(name)})`;
}

// goSum returns the fields of a sum of scores in Go.
function goSum(own, terms = []) {
  const pointer = (name, v) => (v === undefined ? [] : [`${name}: new(float64(${v}))`]);
  const each = terms.map(({ model, given, weight }) => `{${[
    ...(model ? [`Model: "${model}"`] : []), ...(given ? [`Given: ${goGiven(given)}`] : []), ...pointer("Weight", weight),
  ].join(", ")}}`);
  return [...pointer("OwnWeight", own), ...(each.length > 0 ? [`Terms: []client.Term{${each.join(", ")}}`] : [])].join(", ");
}

// goMeasurement returns the field of a measurement in Go.
function goMeasurement(s) {
  const { measurement } = requestOf(s);
  if (!measurement) return "";
  const { values, particles } = measurement;
  const floats = (list) => `[]float32{${list.join(", ")}}`;
  const operator = {
    pool: () => `client.Pool(${Number(s.factor)})`,
    blur: () => `client.Blur{Kernel: kernel, Rows: ${measurement.blur.kernel.shape[0]}}`,
    mask: () => "client.Mask(seen)",
    grey: () => "client.Grey{}",
    matrix: () => `client.Matrix{${measurement.matrix.rows.values.join(", ")}}`,
  }[s.measure]();
  const method = {
    particles: () => `, Method: client.Particles{${particles.count === undefined ? "" : `Count: ${particles.count}`}}`,
    ddrm: () => ", Method: client.DDRM{}", snips: () => ", Method: client.SNIPS{}",
    langevin: () => ", Method: client.LikelihoodLangevin{}",
  }[s.posterior]?.() ?? "";
  return `Measurement: &client.Measurement{
		Operator: ${operator},
		Values: ${s.measured ? "observed" : floats(values.values)}, NoiseStd: ${measurement.noise_std}${method},
	},${s.measured ? ` // ${values.values.length} values` : ""}`;
}

// goConditions returns the fields of a Go request other than its sampler.
function goConditions(s) {
  const { inpainting, colourisation, interpolation, guidance, given, guidance_scale: scale, own_weight: own, terms } = requestOf(s);
  const list = (type, values) => `[]${type}{${values.join(", ")}}`;
  const refresh = s.refresh === "step" ? ", Refresh: client.RefreshStep" : "";
  const lines = [];
  if (inpainting && s.held) lines.push(`Condition: client.Inpainting{Values: known, Mask: mask${refresh}}, // ${s.held.values.length} values, ${s.held.mask.length} of the mask`);
  else if (inpainting) lines.push(`Condition: client.Inpainting{Values: ${list("float32", inpainting.values.values)}, Mask: ${list("bool", inpainting.mask)}${refresh}},`);
  if (colourisation) lines.push(`Condition: client.Colourisation{Grey: grey${refresh}}, // ${s.held.mask.length} values`);
  if (given) lines.push(`Given: ${goGiven(given[0])},`);
  if (scale !== undefined) lines.push(`GuidanceScale: new(float64(${scale})),`);
  if (own !== undefined || terms) lines.push(`Sum: &client.Sum{${goSum(own, terms)}},`);
  if (interpolation) lines.push(`Columns: ${interpolation.columns},`);
  if (guidance) {
    const weight = guidance.weight === undefined ? "" : `, Weight: new(float64(${guidance.weight}))`;
    lines.push(`Guidance: &client.Guidance{Model: "${guidance.model}"${s.rule === "mix" ? ", Rule: client.GuidanceMix" : ""}${weight}},`);
  }
  return lines.map((line) => `\n\t${line}`).join("");
}

export function snippet(language, settings) {
  return writers[language](settings);
}
