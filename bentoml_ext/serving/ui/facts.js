// The facts: which version answers, and what was proven of it.

import { at, element } from "./dom.js";

const grouped = (number) => number.toLocaleString("en");

export function showFacts(shown) {
  const { proof } = shown;
  document.title = `${shown.service}: ask the model`;
  at("service").textContent = shown.service;
  at("says").textContent = shown.says;
  at("version").textContent = `bentoml-ext ${shown.version}`;
  at("badges").replaceChildren(
    element("li", { class: proof.holds ? "good" : "bad" }, proof.holds ? "Proof holds" : "Proof does not hold"),
    element("li", {}, `served by ${shown.backend}`),
  );
  const accepted = proof.acceptance;
  const facts = [
    ["Version", element("code", {}, shown.tag)],
    ["Stored", timeOf(shown.created)],
    ["Model", `${grouped(shown.trees)} trees, ${shown.objective}, ${shown.provenance}`],
    ["Proof", `${grouped(proof.compared)} values compared: ${allOf(proof.equal, proof.compared)} have equal bits, ${grouped(proof.decision_flips)} decisions differ`],
    ["Proven", timeOf(proof.made)],
    accepted ? ["Accepted", `${grouped(accepted.rows)} of the trainer's predictions in ${accepted.file}, ${accepted.agreement}`] : null,
    ["Self-test", `${grouped(shown.self_test.rows)} stored rows at the start of this worker`],
    shown.report ? ["Report", element("span", {}, element("a", { href: "ui/report" }, "the last comparison"), ", ", timeOf(shown.report))] : null,
  ].filter(Boolean);
  at("facts").replaceChildren(
    ...facts.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]),
  );
  at("report").hidden = !shown.report;
}

const allOf = (some, all) => (some === all ? "all" : grouped(some));

function timeOf(text) {
  return element("time", { datetime: text }, text.slice(0, 16).replace("T", " "), " UTC");
}
