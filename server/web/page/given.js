// What samples are given: a class or a vector, for models that take one.

// givenKeys are the settings about it.
export const givenKeys = ["class", "vector", "scale"];

const number = "\\s*[+\\-]?(\\d+\\.?\\d*|\\.\\d+)([eE][+\\-]?\\d+)?\\s*";
const mostButtons = 200; // more classes than that are typed

// offerGiven shows the controls for what a model takes. button makes a button of a choice from its name, value and
// text.
export function offerGiven(form, model, button) {
  const { classes = 0, size = 0, names = [], dropped = false } = model.condition ?? {};
  const find = (id) => form.querySelector(`#${id}`);
  const typed = size > 0 || classes > mostButtons;
  find("given").hidden = !model.condition;
  find("classes").hidden = classes === 0 || typed;
  find("vector").hidden = !typed;
  find("scale").hidden = !dropped;
  const indices = find("classes").hidden ? [] : [...Array(classes).keys()];
  const buttons = indices.map((k) => button("class", String(k), names[k] ?? String(k)));
  if (dropped && indices.length > 0) buttons.unshift(button("class", "", "any"));
  find("classes").replaceChildren(find("classes").querySelector("legend"), ...buttons);
  if (buttons.length > 0) buttons[0].querySelector("input").checked = true;
  const field = form.elements.vector;
  Object.assign(field, { value: "", required: typed && !dropped, placeholder: hint(classes, size, dropped) });
  field.title = names.length > 0 && size > 0 ? names.join(", ") : "";
  field.pattern = size > 0 ? `${number}(,${number}){${size - 1}}` : ".*";
  field.dataset.kind = size > 0 ? "vector" : "class";
  form.elements.scale.value = "";
}

function hint(classes, size, dropped) {
  const vector = size === 1 ? "a number" : `${size} numbers, as 0.1,0.2`;
  const what = size > 0 ? vector : `a class from 0 to ${classes - 1}, or its name`;
  return dropped ? `any, or ${what}` : what;
}

// readGiven adds what samples are given to settings: a class, a class_name or a vector, and a scale.
export function readGiven(form, data, settings) {
  const read = (name) => String(data.get(name) ?? "").trim();
  if (form.querySelector("#given").hidden) return;
  if (read("class")) settings.class = read("class");
  if (read("vector")) settings[form.elements.vector.dataset.kind] = read("vector");
  if (read("scale")) settings.scale = read("scale");
}

// fillGiven writes what samples are given into the form, where it is typed. Buttons are filled as the other settings.
export function fillGiven(form, settings) {
  const { dataset } = form.elements.vector;
  if (dataset.kind === "class" && settings.class) form.elements.vector.value = settings.class;
}

// anyGiven returns settings with what the samples of a model are given. Something is chosen if the model needs it and
// the settings have nothing.
export function anyGiven(settings, model) {
  const { classes = 0, size = 0, dropped = false } = model.condition ?? {};
  const chosen = Object.fromEntries(givenKeys.map((key) => [key, settings[key] ?? ""]));
  if (dropped || chosen.class || chosen.vector) return chosen;
  if (size > 0) return { ...chosen, vector: Array(size).fill(0).join(",") };
  return classes > 0 ? { ...chosen, class: "0" } : chosen;
}

// settled reports whether settings say all that a model needs, in a form that is not being typed.
export function settled({ class: name, vector }, model) {
  const { classes = 0, size = 0, dropped = false } = model.condition ?? {};
  if (size > 0 || classes > mostButtons) return !vector && !name && dropped;
  return true;
}

// givenOf returns the fields of a request.
export function givenOf({ class: name, vector, scale }) {
  const ofClass = name && (/^\d{1,9}$/.test(name) ? { class: Number(name) } : { class_name: name });
  const given = vector ? { vector: { values: vector.split(",").map(Number) } } : ofClass;
  return { ...(given && { given: [given] }), ...(scale && { guidance_scale: Number(scale) }) };
}
