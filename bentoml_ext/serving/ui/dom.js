// Elements made of names and texts. A text is a text node: what a model's author wrote is never read as HTML.

export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== undefined && value !== null) made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

export function at(id) {
  return document.getElementById(id);
}

// Numbers keep the digits that the service wrote: to JavaScript -0.0 is 0, and 1e-05 is 0.00001.
export function decoded(text) {
  return JSON.parse(text, (_, value, context) =>
    typeof value === "number" ? { value, text: context?.source ?? String(value) } : value,
  );
}
