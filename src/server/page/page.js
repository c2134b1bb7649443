// The page: asks, and shows how the answer came about. All text from elsewhere is set as text, never as markup.

import { METHODS, fuse } from "./fusion.js";

/** How many hits each list shows. */
const SHOWN = 10;
/** How deep the legs search: what is not within this of any leg can be fused by no choice made here. */
const DEPTH = 100;
const SVG = "http://www.w3.org/2000/svg";
const ORIGINS = { asked: "as asked", rewrite: "rewrite", feedback: "feedback" };

const at = (id) => document.getElementById(id);
/** The answer that is shown. */
let answer = null;
/** How the sidecar itself fuses, as far as the page can do the same. */
let ownFusion = { method: "rrf", k: 60 };
let channelWeights = {};

/** Makes an element with attributes and children; text children are text. */
function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

function draw(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

async function call(path, body) {
  const options = body && { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  const response = await fetch(path, options);
  const reply = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(reply.detail ?? `the sidecar answered ${response.status}`);
  return reply;
}

function tell(text, failed = false) {
  at("status").textContent = text;
  at("status").classList.toggle("failed", failed);
}

async function ask(event) {
  event.preventDefault();
  const button = at("ask").querySelector("button");
  button.disabled = true;
  tell("Asking…");
  try {
    const wanted = { question: at("question").value, limit: SHOWN, depth: DEPTH, explain: true };
    if (at("collection").value) wanted.collection = at("collection").value;
    show(await call("v1/retrieve", wanted));
  } catch (error) {
    at("answer").hidden = true;
    tell(`That did not work: ${error.message}`, true);
  } finally {
    button.disabled = false;
  }
}

/** Shows an answer. */
function show(reply) {
  answer = reply;
  // Without an explanation only the hits are known.
  answer.explanation ??= {
    rankings: reply.legs.map((_, leg) => reply.hits.flatMap(({ passage, found_by }) => found_by.filter((by) => by.leg === leg).map(({ score }) => ({ point: passage.id, score }))).sort((a, b) => b.score - a.score)),
    passages: reply.hits.map(({ passage }) => ({ point: passage.id, passage })),
  };
  const count = reply.hits.length;
  tell(`${count === 0 ? "Nothing" : count === 1 ? "One hit" : `${count} hits`} found in ${reply.took_ms.toFixed(1)} ms.`);
  at("variants").replaceChildren(...reply.variants.map(variantItem));
  at("lost").replaceChildren(...reply.degradations.map((lost) => make("li", {}, `Lost: ${lost.message}`)));
  at("timeline").tBodies[0].replaceChildren(...reply.timings.map((timing) => timingRow(timing, reply.took_ms)));
  at("answer").hidden = false;
  showWeights();
  reset();
}

function variantItem({ origin, kind, text }) {
  const name = kind ? `${ORIGINS[origin]}, ${kind}` : ORIGINS[origin];
  return make("li", { class: origin }, make("span", { class: "of" }, name), make("span", {}, text || "vectors of what was found first"));
}

function timingRow({ step, origin, start_ms, took_ms, completed }, whole) {
  const classes = [origin ?? "", step === "rewrite" ? "waiting" : "", completed ? "" : "incomplete"];
  const name = step === "rewrite" || !origin ? step : `${step}, ${ORIGINS[origin]}`;
  const bar = draw("svg", { "aria-hidden": "true", viewBox: "0 0 100 1", preserveAspectRatio: "none" });
  const percent = (milliseconds) => (100 * milliseconds) / whole;
  bar.append(draw("rect", { x: percent(start_ms), width: Math.max(percent(took_ms), 0.4), y: 0, height: 1 }));
  const from = make("span", { class: "read-only-aloud" }, `from ${start_ms.toFixed(1)} ms`);
  const time = `${took_ms.toFixed(1)} ms${completed ? "" : ", lost"}`;
  return make("tr", { class: classes.join(" ") }, make("th", { scope: "row" }, name), make("td", {}, bar, from), make("td", {}, time));
}

// ===== Fusing again

function showWeights() {
  const sliders = answer.variants.map((variant, index) => {
    const id = `weight-${index}`;
    const name = variant.origin === "asked" ? "question" : (variant.kind ?? variant.origin);
    const value = make("output", { for: id, id: `${id}-value` });
    const label = make("label", { for: id }, `Weight of the ${name} `, value);
    const slider = make("input", { id, type: "range", min: 0, max: 2, step: "any" });
    slider.addEventListener("input", fuseAgain);
    return make("div", { class: "control" }, label, slider);
  });
  at("weights").replaceChildren(...(answer.variants.length > 1 ? sliders : []));
}

/** Puts every choice back to what the sidecar did. */
function reset() {
  at("method").value = "";
  at("k").value = 60;
  answer.variants.forEach(({ weight }, index) => {
    const slider = at(`weight-${index}`);
    if (slider) slider.value = weight;
  });
  fuseAgain();
}

/** The rankings of the legs, with the weights that are chosen; a leg counts as its variant and its channel do. */
function rankings() {
  const weight = (variant) => Number(at(`weight-${variant}`)?.value ?? answer.variants[variant].weight);
  const of = ({ variant, channel }) => weight(variant) * (channelWeights[channel] ?? 1);
  return answer.legs.map((leg, index) => ({ variant: leg.variant, weight: of(leg), entries: answer.explanation.rankings[index] }));
}

/** Fuses as chosen, and shows what became of it. */
function fuseAgain() {
  const method = at("method").value;
  at("constant").hidden = method !== "rrf";
  at("k-value").textContent = at("k").value;
  answer.variants.forEach((_, index) => {
    const slider = at(`weight-${index}`);
    if (slider) at(`weight-${index}-value`).textContent = Number(slider.value).toFixed(2);
  });
  const untouched = answer.variants.every(({ weight }, index) => Math.abs(Number(at(`weight-${index}`)?.value ?? weight) - weight) < 1e-9);
  const fixed = method === "" && untouched;
  const all = rankings();
  const { method: name, k } = method ? { method, k: Number(at("k").value) } : ownFusion;
  const by = (chosen) => fuse(chosen, name, k).slice(0, SHOWN);
  const own = answer.hits.map(({ passage, score, found_by }) => ({ point: pointOf(passage.id), score, parts: found_by.map(({ leg, rank, score, contribution }) => ({ leg, rank, score, vote: contribution })) }));
  const fused = fixed ? own : by(all);
  const of = (wanted) => by(all.filter(({ variant }) => wanted(answer.variants[variant].origin)));
  showRanking("asked-ranking", of((origin) => origin === "asked"), plainItem);
  showRanking("rewrite-ranking", of((origin) => origin !== "asked"), plainItem);
  showRanking("fused-ranking", fused, (hit, rank) => fusedItem(hit, rank, own));
  const moved = fused.filter(({ point }, index) => own[index]?.point !== point).length;
  at("changed").textContent = fixed ? "" : moved === 0 ? "The same order as the sidecar's." : `${moved} of ${fused.length} places changed against the sidecar's order.`;
  drawLines();
}

const pointOf = (id) => answer.explanation.passages.find(({ passage }) => passage.id === id)?.point ?? id;
const passageOf = (point) => answer.explanation.passages.find((one) => one.point === point)?.passage;
const titleOf = (point) => {
  const passage = passageOf(point);
  return passage ? passage.title || passage.text.slice(0, 120) : point;
};

function showRanking(id, hits, item) {
  const list = at(id).querySelector("ol");
  const nothing = make("li", { class: "nothing" }, make("div", { class: "plain" }, "", "Nothing."));
  list.replaceChildren(...(hits.length > 0 ? hits.map((hit, index) => item(hit, index + 1)) : [nothing]));
}

function listItem(point, ...children) {
  const item = make("li", { "data-point": point }, ...children);
  for (const [event, on] of [["mouseenter", true], ["mouseleave", false], ["focusin", true], ["focusout", false]]) {
    item.addEventListener(event, () => highlight(point, on));
  }
  return item;
}

function plainItem({ point }, rank) {
  const line = make("div", { class: "plain", title: titleOf(point) }, make("span", { class: "rank" }, `${rank}.`), make("span", { class: "title" }, titleOf(point)));
  return listItem(point, line);
}

function fusedItem({ point, score, parts }, rank, own) {
  const title = make("span", { class: "title" }, titleOf(point));
  const summary = make("summary", {}, make("span", { class: "rank" }, `${rank}.`), title, movement(point, rank, own), elsewhere(point));
  const passage = passageOf(point);
  const details = make("details", {}, summary, why(score, parts));
  if (passage) details.append(make("p", { class: "text" }, passage.text), make("p", { class: "quiet text" }, passage.id));
  details.addEventListener("toggle", drawLines);
  return listItem(point, details);
}

/** Where a hit stands in the other two lists; shown where they are not beside it. */
function elsewhere(point) {
  const rank = (id) => [...at(id).querySelectorAll("li[data-point]")].findIndex((item) => item.dataset.point === point) + 1;
  const places = [["question", rank("asked-ranking")], ["rewrite", rank("rewrite-ranking")]];
  return make("span", { class: "elsewhere" }, places.map(([name, place]) => `${name} ${place ? `${place}.` : "–"}`).join(" · "));
}

/** How far a hit moved against the sidecar's own order. */
function movement(point, rank, own) {
  const before = own.findIndex((hit) => hit.point === point) + 1;
  if (before === rank) return make("span", { class: "moved" });
  const up = before === 0 || rank < before;
  const spoken = before === 0 ? "new" : `was ${before}.`;
  const sign = make("span", { "aria-hidden": "true" }, up ? "▲ " : "▼ ");
  return make("span", { class: `moved ${up ? "up" : "down"}` }, sign, spoken);
}

/** Why a hit is where it is: each leg's rank, native score and vote. */
function why(score, parts) {
  const head = ["found by", "rank", "score", "adds"].map((name) => make("th", { scope: "col" }, name));
  const rows = parts.map(({ leg, rank, score, vote }) => {
    const { variant, channel } = answer.legs[leg];
    const { origin, kind } = answer.variants[variant];
    const name = make("td", {}, make("span", { class: `of ${origin}` }, kind ?? ORIGINS[origin]), ` ${channel}`);
    return make("tr", {}, name, make("td", {}, `${rank}.`), make("td", {}, score.toFixed(3)), make("td", {}, vote.toFixed(4)));
  });
  const sum = make("tr", {}, make("td", {}, "together"), make("td"), make("td"), make("td", {}, score.toFixed(4)));
  return make("table", { class: "why" }, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows, sum));
}

// ===== Lines between the same passages

function drawLines() {
  const lines = at("lines");
  const origin = lines.getBoundingClientRect();
  const place = (item, right) => {
    const box = (item.querySelector("summary") ?? item).getBoundingClientRect();
    return [(right ? item.getBoundingClientRect().right : item.getBoundingClientRect().left) - origin.left, box.top + box.height / 2 - origin.top];
  };
  const paths = [];
  for (const item of at("fused-ranking").querySelectorAll("li[data-point]")) {
    for (const [side, name] of [["asked-ranking", "asked"], ["rewrite-ranking", "rewrite"]]) {
      const other = at(side).querySelector(`li[data-point="${CSS.escape(item.dataset.point)}"]`);
      if (!other) continue;
      const [[x1, y1], [x2, y2]] = name === "asked" ? [place(other, true), place(item, false)] : [place(item, true), place(other, false)];
      const middle = (x1 + x2) / 2;
      paths.push(draw("path", { class: name, "data-point": item.dataset.point, d: `M${x1},${y1} C${middle},${y1} ${middle},${y2} ${x2},${y2}` }));
    }
  }
  lines.replaceChildren(...paths);
}

function highlight(point, on) {
  for (const element of at("rankings").querySelectorAll(`[data-point="${CSS.escape(point)}"]`)) element.classList.toggle("near", on);
}

// ===== How it is set up

async function describe() {
  const [{ collections }, settings] = await Promise.all([call("v1/collections"), call("v1/settings")]);
  at("collection").replaceChildren(...collections.map(({ name }) => make("option", { value: name }, name)));
  at("collection").hidden = at("collection-label").hidden = collections.length < 2;
  at("collection-label").className = "read-only-aloud";
  const configured = settings?.fuse?.method ?? "rrf";
  const known = METHODS.find(({ name }) => name === configured || name === configured.split(":")[0]);
  if (known) ownFusion = { method: known.name === "rrf" ? "rrf" : configured, k: Number(configured.split(":")[1] ?? 60) };
  channelWeights = { dense: settings?.search?.dense_weight, bm25: settings?.search?.bm25_weight };
  const own = make("option", { value: "" }, `As the sidecar does (${configured})`);
  at("method").replaceChildren(own, ...METHODS.map(({ name, label }) => make("option", { value: name }, label)));
  const rows = Object.entries(settings ?? {}).flatMap(([section, values]) =>
    Object.entries(values).map(([name, value]) => make("tr", {}, make("th", { scope: "row" }, `${section}.${name}`), make("td", {}, String(typeof value === "object" ? JSON.stringify(value) : value)))),
  );
  const state = collections.map(({ name, passages, problem }) => make("p", {}, `Collection ${name}: ${problem ?? `${passages ?? "some"} passages`}.`));
  at("settings").querySelector("div").replaceChildren(...state, make("table", {}, make("tbody", {}, ...rows)));
}

at("ask").addEventListener("submit", ask);
at("method").addEventListener("change", fuseAgain);
at("k").addEventListener("input", fuseAgain);
at("reset").addEventListener("click", reset);
addEventListener("resize", () => answer && drawLines());
describe().catch((error) => tell(`The sidecar does not say how it is set up: ${error.message}`, true));
