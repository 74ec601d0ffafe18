// The server's message about a field is shown at the field.

import { samplers } from "./samplers.js";

// elements are the names of the form's elements for fields of a request.
const elements = {
  n: "n", seed: "seed", model: "model", "interpolation.columns": "columns",
  "guidance.model": "guide", "guidance.rule": "rule", "guidance.weight": "weight",
  "given[0].class": "vector", "given[0].class_name": "vector", "given[0].vector.values": "vector", guidance_scale: "scale", own_weight: "own",
  "measurement.pool.factor": "factor", "measurement.blur.kernel": "blur_std", "measurement.matrix.rows": "row",
  "measurement.values": "observed", "measurement.noise_std": "noise_std", "measurement.particles.count": "particles",
  "measurement.least_effective_size": "particles",
  "inpainting.values": "at", "inpainting.refresh": "refresh", "colourisation.refresh": "refresh",
};

function elementOf(form, field, sampler) {
  const kind = samplers.get(sampler);
  const setting = kind.settings.find((s) => `${kind.field}.${s.field}` === field);
  const measured = field.startsWith("measurement");
  const names = [setting?.key ?? elements[field], measured && "measure"].filter(Boolean);
  const all = names.map((name) => form.elements.namedItem(name)).filter((element) => element instanceof HTMLElement);
  if (setting || measured) all[0]?.closest("details")?.setAttribute("open", "");
  return all.find((element) => element.offsetParent) ?? null;
}

// show puts every violation at its element and returns the violations that have none.
export function show(form, violations, sampler) {
  const elsewhere = [];
  for (const violation of violations) {
    const element = elementOf(form, violation.field, sampler);
    if (!element) {
      elsewhere.push(violation);
      continue;
    }
    clear(element);
    const text = document.createElement("span");
    Object.assign(text, { className: "problem", id: `problem-${element.name}`, textContent: violation.description });
    element.closest("label").append(text);
    element.setAttribute("aria-invalid", "true");
    element.setAttribute("aria-describedby", text.id);
  }
  form.querySelector("[aria-invalid]")?.focus();
  return elsewhere;
}

export function clear(element) {
  document.getElementById(`problem-${element.name}`)?.remove();
  element.removeAttribute("aria-invalid");
  element.removeAttribute("aria-describedby");
}

export function clearAll(form) {
  form.querySelectorAll("[aria-invalid]").forEach(clear);
}
