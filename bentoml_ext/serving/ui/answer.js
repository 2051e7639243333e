// The answer: a decision on its bands, classes with their probabilities, or the numbers themselves.

import { element } from "./dom.js";

const MOST = 12;
const NARROW = 0.06;

const MEANING = [
  ["rank:", "A score: it puts the applications of one group in order, and means nothing alone."],
  ["survival:cox", "A hazard, relative to the others: the larger, the sooner."],
  ["survival:aft", "The time until the event."],
  ["count:", "The expected count."],
];

export function answerOf(answer, shown) {
  const { columns, policy, objective } = shown;
  const parts = columns.map((column) => partOf(column, answer[column.name], policy));
  const text = columns.find((column) => column.kind === "text");
  if (text && policy.kind === "bands") parts.push(scaleOf(policy, labelOf(answer[text.name]), answer.probability));
  const meaning = MEANING.find(([start]) => objective.startsWith(start));
  if (meaning) parts.push(element("p", { class: "soft" }, meaning[1]));
  return parts;
}

// A label may be a whole number, which comes as its text and its value.
function labelOf(value) {
  return value.text ?? value;
}

function partOf(column, value, policy) {
  if (column.kind === "text") return big(column.name, labelOf(value));
  if (column.kind === "number") {
    if (policy.kind !== "bands") return big(column.name, value.text);
    return element("p", { class: "number" }, `${column.name} `, element("b", {}, value.text));
  }
  const names = column.each.length ? column.each : value.map((_, place) => String(place));
  const rows = names.map((name, place) => [name, Array.isArray(value) ? value[place] : value[name]]);
  return column.minimum === 0 && column.maximum === 1 ? chances(column.name, rows) : table(column.name, rows);
}

function big(name, text) {
  return element("p", { class: "decision" }, element("span", { class: "key" }, name), " ", element("b", {}, text));
}

function table(name, rows) {
  const lines = rows.map(([key, number]) =>
    element("tr", {}, element("th", { scope: "row" }, key), element("td", { class: "right" }, number.text)),
  );
  return element("table", {}, element("caption", {}, name), element("tbody", {}, ...lines));
}

function chances(name, rows) {
  const sorted = rows.toSorted((one, two) => two[1].value - one[1].value);
  const lines = sorted.map(([key, number]) => {
    const bar = element("span", { class: "bar" });
    bar.style.setProperty("--share", number.value);
    return element("tr", {}, element("th", { scope: "row" }, key), element("td", { class: "wide" }, bar), element("td", { class: "right" }, number.text));
  });
  const made = (some) => element("table", { class: "chances" }, element("caption", {}, name), element("tbody", {}, ...some));
  if (lines.length <= MOST) return made(lines);
  const rest = made(lines.slice(MOST));
  return element("div", {}, made(lines.slice(0, MOST)), element("details", {}, element("summary", {}, `${lines.length - MOST} more`), rest));
}

// Bands from the lowest probability, each with its share of the scale.
export function bandsOf(policy) {
  const rising = policy.bands.toReversed();
  const starts = [0, ...rising.map((band) => band.above)];
  const answers = [policy.otherwise, ...rising.map((band) => band.answer)];
  const bands = answers.map((answer, place) => ({ answer, from: starts[place], to: starts[place + 1] ?? 1 }));
  const even = bands.some((band) => band.to - band.from < NARROW);
  let left = 0;
  for (const band of bands) {
    band.left = left;
    left += band.share = even ? 1 / bands.length : band.to - band.from;
  }
  return { bands, even };
}

export function placeOf(bands, answer, probability) {
  const band = bands.find((one) => String(one.answer) === answer) ?? bands[0];
  const within = Math.min(1, Math.max(0, (probability - band.from) / (band.to - band.from)));
  return band.left + band.share * within;
}

function scaleOf(policy, answer, probability) {
  const { bands, even } = bandsOf(policy);
  const many = bands.length > MOST;
  const drawn = bands.map((band, place) => {
    const node = element("span", { class: String(band.answer) === answer ? "band here" : "band" }, many ? "" : element("span", {}, String(band.answer)));
    node.style.setProperty("--share", band.share);
    node.style.setProperty("--depth", bands.length > 1 ? place / (bands.length - 1) : 0);
    return node;
  });
  const ticks = (many ? [] : bands.slice(1)).map((band) => {
    const tick = element("span", { class: "tick-mark" }, String(band.from));
    tick.style.setProperty("--at", band.left);
    return tick;
  });
  const marker = element("span", { class: "marker" });
  marker.style.setProperty("--at", placeOf(bands, answer, probability.value));
  const words = bands.map((band) => `${band.answer} from ${band.from} to ${band.to}`).join(", ");
  const label = `Probability ${probability.text}, ${answer}. The bands: ${words}.`;
  const scale = element("div", { class: "scale", role: "img", "aria-label": label }, marker, element("div", { class: "bands" }, ...drawn), element("div", { class: "ticks-row" }, ...ticks));
  const note = even ? element("p", { class: "soft" }, "Bands are drawn equally wide: some are too narrow to see.") : null;
  return element("div", {}, scale, note);
}
