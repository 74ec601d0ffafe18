// The knobs of a sampler: an element of the form for each of its settings.

import { applies } from "./samplers.js";

const number = "\\s*(\\d+\\.?\\d*|\\.\\d+)([eE][+\\-]?\\d+)?\\s*";
const narrow = 14; // characters of a default that fit into half a row
const camel = (name) => name.replace(/_([a-z])/g, (_, letter) => letter.toUpperCase());
const inWords = (text) => text.replaceAll("_", " ");
const onOff = (text) => ({ true: "on", false: "off" })[text] ?? text;

// makeKnobs returns a label with an element for each setting. An empty element means the server's default, which it
// shows.
export function makeKnobs(kind, settings, model) {
  const labels = settings.map((setting) => {
    const label = document.createElement("label");
    const standard = defaultOf(kind, setting, model);
    const element = elementOf(setting, standard);
    element.name = setting.key;
    element.autocomplete = "off";
    label.title = titleOf(kind, setting);
    label.classList.toggle("wide", setting.type === "numbers" || setting.type === "word" || standard.length > narrow);
    label.append(setting.label, element);
    return label;
  });
  widen(labels);
  return labels;
}

// widen gives an element that would be alone in a row of two the whole row.
function widen(labels) {
  let alone = null;
  for (const label of [...labels, null]) {
    if (label && !label.classList.contains("wide")) {
      alone = alone ? null : label;
      continue;
    }
    alone?.classList.add("wide");
    alone = null;
  }
}

function elementOf(setting, standard) {
  switch (setting.type) {
    case "switch":
      return select(standard, [["true", "on"], ["false", "off"]]);
    case "word":
      return select(standard, setting.words.map(({ word }) => [word, inWords(word)]));
    case "numbers":
      return input({ type: "text", pattern: `${number}(,${number})*`, placeholder: standard, spellcheck: false });
    default:
      return input({
        type: "number", min: setting.least ?? "", step: setting.type === "count" ? 1 : "any", placeholder: standard,
      });
  }
}

const input = (properties) => Object.assign(document.createElement("input"), properties);

function select(standard, options) {
  const element = document.createElement("select");
  element.append(new Option(standard, ""), ...options.map(([value, text]) => new Option(text, value)));
  return element;
}

// defaultOf returns the text of the server's default for a setting.
function defaultOf(kind, setting, model) {
  const own = setting.field.split(".").reduce((value, name) => value?.[camel(name)], model?.[camel(kind.field)]);
  const known = setting.default || (own !== undefined && shortly(own));
  if (!known) return inWords(setting.model_default).replaceAll("'", "’");
  switch (setting.type) {
    case "switch":
      return `${onOff(String(known))} (default)`;
    case "word":
      return `${inWords(known)} (default)`;
    default:
      return String(known);
  }
}

function shortly(value) {
  if (Array.isArray(value)) {
    const all = value.map(shortly);
    return all.length > 3 ? `${all[0]}, …, ${all.at(-1)}` : all.join(", ");
  }
  return typeof value === "number" ? String(Number(value.toPrecision(3))) : String(value);
}

function titleOf(kind, { help, allowed, needs, excludes }) {
  const sentences = [`${help[0].toUpperCase()}${help.slice(1)}`, `Want ${inWords(allowed)}`];
  const label = (key) => kind.settings.find((setting) => setting.key === key).label;
  if (needs) sentences.push(`Needs ${label(needs.setting)} ${inWords(needs.words.join(" or "))}`);
  if (excludes) sentences.push(`Not with ${label(excludes)}`);
  return `${sentences.join(". ")}.`;
}

// enableKnobs disables the settings that have no effect with the others.
export function enableKnobs(form, kind) {
  const element = (key) => form.elements.namedItem(key);
  for (const setting of kind.settings) {
    element(setting.key).disabled = !applies(kind, setting, (key) => element(key).value);
  }
}
