// The page: asks for the model, makes the form, and sends what is filled in.

import { answerOf } from "./answer.js";
import { backendsOf } from "./backends.js";
import { at, decoded, element } from "./dom.js";
import { showFacts } from "./facts.js";
import { Form } from "./form.js";

let shown;
let form;
let compares = false;
let asked = 0;

function trouble(text) {
  at("trouble").textContent = text;
  at("trouble").hidden = !text;
}

async function sent(path, body) {
  const started = performance.now();
  const answer = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body });
  const text = await answer.text();
  return { answer, text, ms: performance.now() - started };
}

// An answer that is no JSON comes from something in front of the service: it is shown as it is.
function saidBy({ answer, text }) {
  try {
    const said = JSON.parse(text);
    if (said !== null && typeof said === "object") return said;
  } catch {
    // Said below.
  }
  return { error: `The answer was ${answer.status}: ${text.slice(0, 200)}` };
}

async function ask() {
  const turn = ++asked;
  const { body } = form;
  form.clear();
  trouble("");
  at("form").setAttribute("aria-busy", "true");
  try {
    const found = await sent("predict", body);
    if (turn !== asked) return;
    if (!found.answer.ok) {
      const why = found.answer.status === 400 ? "No answer: the application was refused." : "No answer.";
      at("answer").replaceChildren(element("p", { class: "soft" }, why));
      at("backends").replaceChildren();
      form.refuse(saidBy(found));
      return;
    }
    at("answer").replaceChildren(...answerOf(decoded(found.text), shown), requestOf(body, found));
    // On a phone it is below the form.
    at("answer").parentElement.scrollIntoView({ block: "nearest" });
    await compare(body, turn);
  } catch (error) {
    trouble(`The service did not answer: ${error.message}`);
  } finally {
    if (turn === asked) at("form").removeAttribute("aria-busy");
  }
}

function requestOf(body, { answer, text, ms }) {
  const url = new URL("predict", document.baseURI).href;
  const quoted = body.replaceAll("'", "'\\''");
  const command = `curl '${url}' -H 'Content-Type: application/json' -d '${quoted}'`;
  const by = answer.headers.get("X-Backend") ?? shown.backend;
  return element(
    "details",
    { class: "request" },
    element("summary", {}, `Answered by ${by} in ${ms.toFixed(1)} ms, the network included`),
    element("pre", { tabindex: "0", "aria-label": "The same request by curl" }, command),
    element("pre", { tabindex: "0", "aria-label": "The answer as it came" }, text),
  );
}

async function compare(body, turn) {
  if (!compares) return;
  at("backends").setAttribute("aria-busy", "true");
  try {
    const found = await sent("ui/backends", body);
    if (turn !== asked) return;
    const parts = found.answer.ok ? backendsOf(decoded(found.text)) : [element("p", { class: "error" }, String(saidBy(found).error))];
    at("backends").replaceChildren(...parts);
  } finally {
    at("backends").removeAttribute("aria-busy");
  }
}

async function begin() {
  const answer = await fetch("ui/model");
  if (!answer.ok) throw new Error(`${answer.status} ${answer.statusText}`);
  shown = await answer.json();
  showFacts(shown);
  form = new Form(shown);
  at("form").addEventListener("submit", (event) => {
    event.preventDefault();
    ask();
  });
  at("form").addEventListener("reset", (event) => {
    event.preventDefault();
    form.reset();
  });
  at("backends").replaceChildren(
    element("p", { class: "soft" }, "The same application on every backend that is proven and installed here. Those that do not serve are loaded once, and stay in the worker's memory."),
  );
  at("compare").hidden = false;
  at("compare").addEventListener("click", () => {
    compares = true;
    // It stays: a button that vanishes takes the keyboard's place with it.
    at("compare").textContent = "Ask and compare again";
    ask();
  });
}

begin().catch((error) => trouble(`The model could not be read: ${error.message}`));
