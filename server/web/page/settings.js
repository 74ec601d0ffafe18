// Settings are in the form and in the URL's fragment: a link gives the same samples.

import { givenKeys, readGiven } from "./given.js";
import { measureCompanions } from "./measured.js";
import { termKeys } from "./terms.js";
import { compared, firstSampler, samplers } from "./samplers.js";

// texts are the settings that a link leaves out if they are empty. The held part and the guide add others.
const texts = ["columns", "hold", "measure", "guide", ...termKeys];
const companions = { part: ["mask", "known", "refresh"], grey: ["known", "refresh"], x: ["at", "refresh"], y: ["at", "refresh"] };
const ofGuide = ["rule", "weight"];
const switches = ["compare", "density", "field", "trails", "denoised", "fresh"];
const onByDefault = new Set(["density", "field", "trails", "fresh"]);

// readForm returns the settings of the form.
export function readForm(form) {
  const data = new FormData(form);
  const settings = {
    model: data.get("model") ?? "",
    sampler: data.get("sampler") ?? (data.has("compare") ? compared.annealed : firstSampler()),
    n: Number(data.get("n")),
    seed: String(data.get("seed") ?? "").trim(),
  };
  const read = (key) => (settings[key] = String(data.get(key) ?? "").trim());
  samplers.get(settings.sampler).settings.forEach(({ key }) => read(key));
  texts.forEach(read);
  (companions[settings.hold] ?? []).forEach(read);
  measureCompanions(settings.measure).forEach(read);
  if (settings.guide) ofGuide.forEach(read);
  readGiven(form, data, settings);
  for (const name of switches) settings[name] = data.has(name);
  return settings;
}

// toFragment writes settings without the defaults. digest identifies the model for which they were made.
export function toFragment(settings, digest) {
  const query = new URLSearchParams({ model: settings.model, sampler: settings.sampler, n: settings.n, seed: settings.seed });
  // A picture from a file does not fit into a link, so nothing is held or measured there.
  const lost = (name) => name in settings && !settings[name];
  const kept = { ...settings, ...(lost("known") && { hold: "" }), ...(lost("whole") && { measure: "" }) };
  const ofSampler = samplers.get(kept.sampler).settings.map(({ key }) => key);
  const ofParts = [...(companions[kept.hold] ?? []), ...measureCompanions(kept.measure)];
  const keys = [...ofSampler, ...texts, ...ofParts, ...ofGuide, ...givenKeys];
  for (const key of keys) {
    if (kept[key]) query.set(key, kept[key]);
  }
  for (const name of switches) {
    if (name !== "fresh" && settings[name] !== onByDefault.has(name)) query.set(name, settings[name] ? "1" : "0");
  }
  if (digest) query.set("digest", digest.slice(0, 12));
  return `#${query}`;
}

// fromFragment reads what toFragment wrote, and ignores what it does not know.
export function fromFragment(fragment) {
  const query = new URLSearchParams(fragment.replace(/^#/, ""));
  const settings = Object.fromEntries(query);
  for (const name of switches) {
    if (name in settings) settings[name] = settings[name] === "1";
  }
  if (!samplers.has(settings.sampler)) delete settings.sampler;
  return settings;
}

// fillForm sets the fields of the form from settings. A choice that the form does not have becomes the first choice.
export function fillForm(form, settings) {
  for (const [name, value] of Object.entries(settings)) {
    const field = form.elements.namedItem(name);
    if (!field) continue;
    if (typeof value === "boolean") field.checked = value;
    else field.value = value;
    if (field.selectedIndex < 0) field.selectedIndex = 0;
  }
}
