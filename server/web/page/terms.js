// Further scores that chains follow besides that of their own model: each with a model, what it is given, and a weight.
// A link has them as text: "2gauss||0.5;|c7|-0.5" is half of 2gauss, and minus half of the own model given class 7.

// termKeys are the settings about it.
export const termKeys = ["own", "terms"];

// termsIn returns the terms in a text: their model, empty for the own one, the condition of a request, and the weight,
// empty for 1.
export function termsIn(text) {
  return (text ? text.split(";") : []).map((part) => {
    const [model = "", given = "", weight = ""] = part.split("|").map(decodeURIComponent);
    return { model, given: conditionIn(given), weight };
  });
}

// conditionIn reads "c7", "cshoe" or "v0.1,0.2".
function conditionIn(text) {
  const value = text.slice(1);
  if (value === "") return undefined;
  if (text[0] === "v") return { vector: { values: value.split(",").map(Number) } };
  return /^\d{1,9}$/.test(value) ? { class: Number(value) } : { class_name: value };
}

// sumOf returns the fields of a request.
export function sumOf({ own, terms }) {
  const list = termsIn(terms).map(({ model, given, weight }) => ({
    ...(model && { model }), ...(given && { given }), ...(weight && { weight: Number(weight) }),
  }));
  return { ...(own && { own_weight: Number(own) }), ...(list.length > 0 && { terms: list }) };
}

const most = 8; // terms of a request

// Terms is the panel in which terms are written. It keeps their text in a field of the form.
export class Terms {
  // field keeps the text, and onChange is called when it changes.
  constructor(panel, field, onChange) {
    Object.assign(this, { panel, field, onChange, model: null, models: [] });
    this.rows = panel.querySelector("#terms");
    panel.querySelector("#add-term").addEventListener("click", () => this.add());
    this.rows.addEventListener("input", (event) => {
      event.stopPropagation();
      if (event.target.matches("select")) this.hint(event.target.closest(".term"));
      this.keep();
    });
  }

  // open offers the models whose samples have the shape of model's. It shows the terms in the field.
  open(model, models) {
    this.model = model;
    this.models = models.filter((m) => String(m.shape) === String(model.shape));
    this.rows.replaceChildren();
    for (const part of this.field.value ? this.field.value.split(";") : []) {
      const [name = "", given = "", weight = ""] = part.split("|").map(decodeURIComponent);
      this.row(name, given.slice(1), weight);
    }
    this.count();
  }

  add() {
    const others = this.models.filter((m) => m !== this.model);
    this.row(this.model.condition ? "" : (others[0]?.name ?? ""), "", "");
    this.count();
    this.keep();
    this.rows.lastElementChild.querySelector("select").focus();
  }

  row(name, given, weight) {
    const row = document.createElement("div");
    row.className = "term";
    const select = document.createElement("select");
    select.setAttribute("aria-label", "Model of the term");
    select.replaceChildren(new Option("this model", ""), ...this.models.filter((m) => m !== this.model).map((m) => new Option(m.name)));
    select.value = name;
    if (select.selectedIndex < 0) select.selectedIndex = 0;
    const input = (label, attributes) => Object.assign(document.createElement("input"), { ariaLabel: label, ...attributes });
    const condition = input("What the term is given", { type: "text", className: "given", value: given, spellcheck: false, autocomplete: "off" });
    const factor = input("Weight of the term", { type: "number", step: "any", className: "weight", value: weight, placeholder: "weight 1" });
    const remove = Object.assign(document.createElement("button"), { type: "button", className: "quiet", ariaLabel: "Remove the term", textContent: "✕" });
    remove.addEventListener("click", () => {
      row.remove();
      this.count();
      this.keep();
    });
    row.append(select, condition, factor, remove);
    this.rows.append(row);
    this.hint(row);
  }

  // conditionOf returns the condition of the model of a row; none for a model without.
  conditionOf(row) {
    const name = row.querySelector("select").value;
    return (name === "" ? this.model : this.models.find((m) => m.name === name))?.condition ?? {};
  }

  // hint says what may be given to the model of a row.
  hint(row) {
    const { classes = 0, size = 0, dropped = false } = this.conditionOf(row);
    const given = row.querySelector(".given");
    given.hidden = classes + size === 0;
    if (given.hidden) given.value = "";
    const what = size > 0 ? `${size} numbers` : "class";
    given.placeholder = dropped ? `any, or ${what}` : what;
    given.required = !given.hidden && !dropped;
  }

  count() {
    const n = this.rows.children.length;
    this.panel.querySelector("#add-term").disabled = n >= most;
    if (n > 0) this.panel.open = true;
  }

  // keep writes the rows into the field.
  keep() {
    this.field.value = [...this.rows.children].map((row) => {
      const given = row.querySelector(".given").value.trim();
      const kind = this.conditionOf(row).size > 0 ? "v" : "c";
      const parts = [row.querySelector("select").value, given && kind + given, row.querySelector(".weight").value];
      return parts.map(encodeURIComponent).join("|");
    }).join(";");
    this.onChange();
  }
}
