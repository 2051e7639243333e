// The backends side by side: margins to the last bit, and the time of a call.

import { element } from "./dom.js";

const MOST = 4;

export function backendsOf(found) {
  const ready = found.backends.filter((one) => !one.why_not);
  const slowest = Math.max(...ready.map((one) => one.us.value));
  const head = ["Backend", "Margin", "Bits", "Time"];
  const rows = ready.map((one) => rowOf(one, ready[0], slowest));
  return [
    verdictOf(found.equal, ready.length),
    element(
      "div",
      { class: "wide-table", tabindex: "0", role: "region", "aria-label": "Backends side by side" },
      element(
        "table",
        { class: "compared" },
        element("thead", {}, element("tr", {}, ...head.map((name) => element("th", { scope: "col" }, name)))),
        element("tbody", {}, ...rows),
      ),
    ),
    ...found.backends.filter((one) => one.why_not).map((one) => element("p", { class: "soft" }, one.why_not)),
    element("p", { class: "soft" }, `Time of a call in the worker, from a row to its margin: the median of ${ready[0].calls.text} calls in turns.`),
  ];
}

function verdictOf(equal, count) {
  if (!equal) return element("p", { class: "verdict bad" }, "The bits differ. Do not serve this version; verify it.");
  const text = count > 1 ? `${count} backends, the same bits.` : "One backend is here.";
  return element("p", { class: "verdict" }, text);
}

function rowOf(one, first, slowest) {
  const bar = element("span", { class: "bar" });
  bar.style.setProperty("--share", one.us.value / slowest);
  const name = element("th", { scope: "row" }, one.name, " ", one.serves ? element("span", { class: "tag" }, "serves") : "");
  const bits = one.bits.map((word, place) => (word === first.bits[place] ? word : element("mark", {}, word)));
  return element(
    "tr",
    {},
    name,
    element("td", { class: "mono" }, ...lines(one.margins)),
    element("td", { class: "mono" }, ...lines(bits, "0x")),
    element("td", { class: "wide" }, bar, element("span", { class: "mono" }, `${microseconds(one.us.value)} µs`)),
  );
}

function lines(texts, before = "") {
  const shown = texts.slice(0, MOST).map((text) => element("div", {}, before, text));
  const left = texts.length - shown.length;
  if (left < 1) return shown;
  const rest = texts.slice(MOST).map((text) => element("div", {}, before, text));
  return [...shown, element("details", {}, element("summary", {}, `${left} more`), ...rest)];
}

function microseconds(us) {
  return us < 100 ? us.toFixed(1) : Math.round(us).toLocaleString("en");
}
