// The samplers as the server describes them, and the requests made from their settings.

import { describedSamplers } from "./api.js";
import { givenKeys, givenOf } from "./given.js";
import { conditionOf } from "./held.js";
import { measurementOf } from "./measured.js";
import { sumOf, termKeys } from "./terms.js";

// samplers has the kinds by their words in links, in the server's order. loadSamplers fills it.
export const samplers = new Map();

export async function loadSamplers() {
  for (const kind of await describedSamplers()) samplers.set(kind.word, kind);
}

// firstSampler is the word of the kind that a link to a sample leaves out.
export const firstSampler = () => samplers.keys().next().value;

// usualSampler is the word of a model's default kind.
export function usualSampler(model) {
  const inJSON = (field) => field.replace(/_(.)/g, (_, letter) => letter.toUpperCase());
  return [...samplers.values()].find(({ field }) => model[inJSON(field)])?.word ?? firstSampler();
}

// compared are the two kinds that can run side by side. They show the effect of annealing.
export const compared = { plain: "langevin", annealed: "annealed" };

// plainLike returns plain Langevin with as many evaluations as the annealed sampler of settings.
export function plainLike(settings, model) {
  const levels = settings.sigmas ? settings.sigmas.split(",").length : model.sigmas.length;
  const perLevel = Number(settings.steps_per_level) || model.annealedLangevin?.stepsPerLevel || 100;
  const own = samplers.get(compared.plain).settings.map(({ key }) => [key, ""]);
  return { ...settings, sampler: compared.plain, ...Object.fromEntries(own), steps: String(levels * perLevel) };
}

// applies reports whether a setting of a kind has an effect with the others. textOf returns their texts, empty for the
// default.
export function applies(kind, { needs, excludes }, textOf) {
  const needed = needs && kind.settings.find(({ key }) => key === needs.setting);
  return (!needed || needs.words.includes(textOf(needed.key) || needed.default)) && !(excludes && textOf(excludes));
}

// given returns the settings of the sampler that are set, each with its text.
export function given(settings) {
  return samplers.get(settings.sampler).settings
    .map((setting) => [setting, settings[setting.key] ?? ""])
    .filter(([, text]) => text !== "");
}

// valueOf returns the JSON value of a setting's text. inWords keeps the words of enums, as on the page and in JSON over
// HTTP; the API has other names for them.
function valueOf({ type, words }, text, inWords) {
  switch (type) {
    case "numbers":
      return text.split(",").map(Number);
    case "switch":
      return text === "true";
    case "word":
      return inWords ? text : (words.find(({ word }) => word === text)?.value ?? text);
    default:
      return Number(text);
  }
}

function samplerOf(settings, inWords = false) {
  const message = {};
  for (const [setting, text] of given(settings)) {
    const path = setting.field.split(".");
    const last = path.pop();
    path.reduce((inner, name) => (inner[name] ??= {}), message)[last] = valueOf(setting, text, inWords);
  }
  return { [samplers.get(settings.sampler).field]: message };
}

// requestOf returns the request of settings without previews. inWords writes the sampler as in JSON over HTTP.
export function requestOf(settings, inWords = false) {
  return {
    model: settings.model, n: settings.n, seed: settings.seed,
    ...(settings.measure ? {} : samplerOf(settings, inWords)), // a measurement's method brings its own
    ...conditionOf(settings),
    ...measurementOf(settings),
    ...givenOf(settings),
    ...(settings.columns && { interpolation: { columns: Number(settings.columns) } }),
    ...guidanceOf(settings),
    ...sumOf(settings),
  };
}

function guidanceOf({ guide, rule, weight }) {
  if (!guide) return {};
  const byRule = rule === "mix" ? "GUIDANCE_RULE_MIX" : "GUIDANCE_RULE_ADD";
  return { guidance: { model: guide, rule: byRule, ...(weight && { weight: Number(weight) }) } };
}

// A link can name a sample by its seed and chain, as 3_7, if it depends only on the sampler and on what it is given. If
// the sampler is not the first one or has settings, or something is given, they follow: 3_7_flow*steps*20*class*7.

export function nameOf(settings, chain) {
  if (["hold", "measure", "guide", "columns", ...termKeys].some((key) => settings[key])) return "";
  const values = [...given(settings).map(([{ key }, text]) => [key, text]), ...givenKeys.map((key) => [key, settings[key]])]
    .filter(([, text]) => text).flat();
  if (values.some((text) => text.includes("*"))) return "";
  const name = `${settings.seed}_${chain}`;
  if (settings.sampler === firstSampler() && values.length === 0) return name;
  return `${name}_${[settings.sampler, ...values].join("*")}`;
}

// requestOfName returns the request that draws a named sample of a model again; null if the name is invalid.
export function requestOfName(name, model) {
  const [, seed, chain, rest] = name.match(/^(\d+)_(\d+)(?:_(.+))?$/) ?? [];
  const [sampler, ...values] = (rest ?? firstSampler()).split("*");
  if (!seed || !samplers.has(sampler)) return null;
  const settings = { sampler };
  for (let i = 0; i + 1 < values.length; i += 2) settings[values[i]] = values[i + 1];
  return { model, n: 1, seed, firstChain: chain, ...samplerOf(settings), ...givenOf(settings) };
}
