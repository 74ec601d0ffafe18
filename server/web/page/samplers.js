// The samplers: what they are, their knobs, and the requests that they make.

import { conditionOf } from "./held.js";

const positive = { min: 0, step: "any" };
const count = { min: 1, step: 1 };

// samplers, by the name that URLs have. A knob left empty takes the server's default.
export const samplers = {
  annealed: {
    name: "Annealed Langevin",
    field: "annealedLangevin",
    explain: "Langevin dynamics at every noise level, from the largest σ to the smallest (Song & Ermon 2019).",
    knobs: [
      { key: "steps", field: "stepsPerLevel", label: "Steps per level", ...count },
      { key: "eps", field: "stepLr", label: "Step size at the last level", ...positive },
    ],
    request: (knobs) => ({ ...knobs, denoise: undefined }),
  },
  langevin: {
    name: "Plain Langevin",
    field: "langevin",
    explain: "Langevin dynamics at one σ: chains stay in the mode that they meet first, so the weights of modes come out wrong.",
    knobs: [
      { key: "steps", field: "steps", label: "Steps", ...count },
      { key: "eps", field: "stepSize", label: "Step size", ...positive },
      { key: "sigma", field: "sigma", label: "σ", ...positive },
    ],
  },
  pc: {
    name: "Predictor-corrector",
    field: "predictorCorrector",
    explain: "Steps of the reverse-time diffusion, each put right by a Langevin update (Song et al. 2021).",
    knobs: [{ key: "steps", field: "n", label: "Times", ...count, min: 2 }],
    request: (knobs) => ({ n: 500, predictor: "PREDICTOR_REVERSE_DIFFUSION", corrector: "CORRECTOR_ANNEALED_LANGEVIN", ...knobs }),
  },
  flow: {
    name: "Probability flow",
    field: "probabilityFlow",
    explain: "No noise but the first: an ordinary differential equation carries each chain along (Song et al. 2021).",
    knobs: [{ key: "steps", field: "steps", label: "Steps", ...count }],
    request: (knobs) => ({ ...knobs }),
  },
};

// knobsOf reads the settings that a sampler has.
function knobsOf(sampler, settings) {
  const values = {};
  for (const knob of sampler.knobs) {
    const text = settings[knob.key];
    if (text !== undefined && text !== "") values[knob.field] = Number(text);
  }
  return values;
}

// requestOf is the request of settings, less previews.
export function requestOf(settings) {
  return {
    model: settings.model, n: settings.n, seed: settings.seed, ...samplerOf(settings), ...conditionOf(settings),
    ...(settings.columns && { interpolation: { columns: Number(settings.columns) } }),
    ...guidanceOf(settings),
  };
}

function samplerOf(settings) {
  const sampler = samplers[settings.sampler];
  const knobs = knobsOf(sampler, settings);
  return { [sampler.field]: sampler.request ? sampler.request(knobs) : knobs };
}

function guidanceOf({ guide, rule, weight }) {
  if (!guide) return {};
  return { guidance: { model: guide, rule: rule === "mix" ? "GUIDANCE_RULE_MIX" : "GUIDANCE_RULE_ADD", ...(weight && { weight: Number(weight) }) } };
}

// A sample can be named in a link by seed, chain and sampler, joined by _, if nothing else had a part in it.

export function nameOf(settings, chain) {
  if (settings.hold || settings.guide || settings.columns) return "";
  const knobs = samplers[settings.sampler].knobs.map((knob) => settings[knob.key] ?? "");
  const plain = settings.sampler === "annealed" && knobs.every((v) => v === "");
  return [settings.seed, chain, ...(plain ? [] : [settings.sampler, ...knobs])].join("_");
}

// requestOfName is the request that draws a sample of a model again; null if the name is none.
export function requestOfName(name, model) {
  const [seed, chain, sampler = "annealed", ...knobs] = name.split("_");
  if (!/^\d+$/.test(seed) || !/^\d+$/.test(chain ?? "") || !(sampler in samplers)) return null;
  const settings = { sampler };
  samplers[sampler].knobs.forEach((knob, i) => (settings[knob.key] = knobs[i] ?? ""));
  return { model, n: 1, seed, firstChain: chain, ...samplerOf(settings) };
}

// stepsOf is how many evaluations a chain takes, as far as the page can know before it asks.
export function stepsOf(settings, model) {
  const steps = Number(settings.steps);
  switch (settings.sampler) {
    case "annealed":
      return model.sigmas.length * (steps || model.annealedLangevin?.stepsPerLevel || 100);
    case "langevin":
      return steps || 1000;
    case "pc":
      return 2 * (steps || 500) - 1;
    default:
      return 2 * (steps || 50);
  }
}

// plainLike is plain Langevin with as many evaluations as the settings' own annealed sampler takes.
export function plainLike(settings, model) {
  return { ...settings, sampler: "langevin", steps: String(stepsOf({ ...settings, sampler: "annealed" }, model)), eps: "", sigma: "" };
}
