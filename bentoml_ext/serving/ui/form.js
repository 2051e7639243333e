// The form: a control for each field of the model, by the field's own rules.

import { at, element } from "./dom.js";

const NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/;
const FAR = 1e15;
const NOT_GIVEN = "not given";

// A control has its element, `json()` (undefined leaves the field out) and `set(value)`.
function chosen(id, field, values) {
  const node = element("select", { id });
  if (field.nullable) node.append(element("option", { value: "null" }, NOT_GIVEN));
  for (const value of values) {
    node.append(element("option", { value: JSON.stringify(value) }, value === "" ? "(empty)" : String(value)));
  }
  return { node, json: () => node.value, set: (value) => (node.value = JSON.stringify(value)) };
}

function typed(id, field, values, json, mode) {
  const list = values.length ? element("datalist", { id: `${id}-list` }) : null;
  list?.append(...values.map((value) => element("option", { value })));
  const input = element("input", { id, type: "text", inputmode: mode, list: list?.id, autocomplete: "off", spellcheck: "false" });
  const read = () => {
    const text = mode === "decimal" ? input.value.trim() : input.value;
    if (text === "") return field.nullable ? "null" : undefined;
    return json(text);
  };
  const set = (value) => (input.value = value === null ? "" : String(value));
  return { node: input, list, json: read, set };
}

function ticked(id, field, values) {
  const boxes = values.map((value, place) => element("input", { type: "checkbox", id: place ? `${id}-${place}` : id, value }));
  const labelled = (box, text) => element("label", { class: "tick", for: box.id }, box, text);
  const none = field.nullable ? element("input", { type: "checkbox", id: `${id}-none` }) : null;
  const node = element("div", { class: "ticks" }, ...boxes.map((box) => labelled(box, box.value)));
  const follow = () => boxes.forEach((box) => (box.disabled = none?.checked ?? false));
  if (none) {
    node.append(labelled(none, NOT_GIVEN));
    none.addEventListener("change", follow);
  }
  const set = (value) => {
    const given = value === null ? [] : [value].flat();
    boxes.forEach((box) => (box.checked = given.includes(box.value)));
    if (none) none.checked = value === null;
    follow();
  };
  const ticks = () => boxes.filter((box) => box.checked).map((box) => box.value);
  return { node, group: true, json: () => (none?.checked ? "null" : JSON.stringify(ticks())), set };
}

function controlOf(id, field) {
  const { categories = [], baseline = [], codes = [] } = field;
  const texts = [...categories, ...baseline];
  if (texts.length && field.multiple) return ticked(id, field, texts);
  if (texts.length && field.unknown === "zero") return typed(id, field, texts, JSON.stringify, "text");
  if (texts.length) return chosen(id, field, texts);
  if (codes.length && field.unknown !== "zero") return chosen(id, field, codes);
  // A text that is no number goes as a text: the service says what is wrong with it.
  const json = (text) => (NUMBER.test(text) ? text : JSON.stringify(text));
  return typed(id, field, codes.map(String), json, "decimal");
}

const grouped = (number) => number.toLocaleString("en", { maximumSignificantDigits: 15 });

function hintOf(field) {
  const low = Math.abs(field.minimum ?? FAR) < FAR ? grouped(field.minimum) : null;
  const high = Math.abs(field.maximum ?? FAR) < FAR ? grouped(field.maximum) : null;
  const range = low && high ? `${low} to ${high}` : low ? `at least ${low}` : high ? `at most ${high}` : "";
  const known = field.unknown === "zero" ? "any text; the list has those that the model knows" : "";
  const list = field.categories?.length ? (field.multiple ? "any number of them" : known) : range;
  const blank = field.nullable && !field.categories?.length && !field.codes?.length ? "may be empty" : "";
  return [list, blank].filter(Boolean).join("; ");
}

export class Field {
  constructor(field, place) {
    const id = `field-${place}`;
    this.name = field.name;
    this.control = controlOf(id, field);
    this.error = element("p", { id: `${id}-error`, class: "error" });
    const hint = element("p", { id: `${id}-hint`, class: "hint" }, hintOf(field));
    const unit = field.unit ? element("span", { class: "unit" }, field.unit) : null;
    const { node, list, group } = this.control;
    node.setAttribute("aria-describedby", `${hint.id} ${this.error.id}`);
    const said = [field.name, unit ? " " : null, unit];
    this.element = group
      ? element("fieldset", { class: "field" }, element("legend", {}, ...said), node, hint, this.error)
      : element("div", { class: "field" }, element("label", { for: id }, ...said), node, list, hint, this.error);
    this.control.set(null);
  }

  get pair() {
    const json = this.control.json();
    return json === undefined ? null : `${JSON.stringify(this.name)}: ${json}`;
  }

  say(message) {
    this.error.textContent = message;
    const { node } = this.control;
    if (message) node.setAttribute("aria-invalid", "true");
    else node.removeAttribute("aria-invalid");
  }

  focus() {
    const { node, group } = this.control;
    (group ? node.querySelector("input") : node).focus();
  }
}

export class Form {
  constructor(shown) {
    this.fields = shown.fields.map((field, place) => new Field(field, place));
    this.example = shown.example;
    at("fields").replaceChildren(...this.fields.map((field) => field.element));
    this.reset();
    at("form").hidden = false;
  }

  reset() {
    for (const field of this.fields) field.control.set(this.example[field.name] ?? null);
    this.clear();
  }

  clear() {
    at("refusal").textContent = "";
    for (const field of this.fields) field.say("");
  }

  // The application as JSON, each number in the digits that were typed.
  get body() {
    return `{${this.fields.map((field) => field.pair).filter(Boolean).join(", ")}}`;
  }

  // What the service said of a refused application, at the field that it names.
  refuse(said) {
    const field = this.fields.find((one) => one.name === said.field);
    const whole = typeof said.error === "string" ? said.error : JSON.stringify(said);
    if (!field) {
      at("refusal").textContent = whole;
      return;
    }
    field.say(said.expected && said.got ? `Expected ${said.expected}, got ${said.got}.` : whole);
    field.focus();
  }
}
