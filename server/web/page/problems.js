// The server's message about a field is shown at the field.

import { samplers } from "./samplers.js";

// elements are the names of the form's elements for fields of a request.
const elements = {
  n: "n", seed: "seed", model: "model", "interpolation.columns": "columns",
  "guidance.model": "guide", "guidance.rule": "rule", "guidance.weight": "weight",
  "given[0].class": "vector", "given[0].class_name": "vector", "given[0].vector.values": "vector", guidance_scale: "scale", own_weight: "own",
  "inpainting.values": "at", "inpainting.refresh": "refresh", "colourisation.refresh": "refresh",
};

function elementOf(form, field, sampler) {
  const kind = samplers.get(sampler);
  const setting = kind.settings.find((s) => `${kind.field}.${s.field}` === field);
  const element = form.elements.namedItem(setting?.key ?? elements[field] ?? "");
  if (!(element instanceof HTMLElement)) return null;
  if (setting) element.closest("details")?.setAttribute("open", "");
  return element.offsetParent ? element : null;
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
