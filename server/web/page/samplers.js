// The samplers: what they are, their knobs, and the requests that they make.

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
  const sampler = samplers[settings.sampler];
  const knobs = knobsOf(sampler, settings);
  const message = sampler.request ? sampler.request(knobs) : knobs;
  return { model: settings.model, n: settings.n, seed: settings.seed, [sampler.field]: message };
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
