// The fusions of the page, with the formulas of the library (src/fuse): pure, so that an order can be changed at once,
// without a new search. A ranking is { variant, weight, entries: [{ point, score }] }, best first.

/** What the page can fuse by: its name in requests, what people read, and whether it has a constant k. */
export const METHODS = [
  { name: "rrf", label: "Reciprocal rank fusion", constant: true },
  { name: "intersection", label: "Intersection first, then the rest" },
  { name: "intersection:strict", label: "Intersection only" },
  { name: "min-max", label: "Sum of min-max scores" },
  { name: "dbsf", label: "Distribution-based scores" },
];

/** Fuses rankings: [{ point, score, parts: [{ leg, rank, score, vote }] }], best first. */
export function fuse(rankings, method, k = 60) {
  if (method.startsWith("intersection")) return intersect(rankings, method.endsWith(":strict"));
  const votes = rankings.map((ranking) => votesOf(ranking, method, k));
  return bestFirst(gather(rankings, votes));
}

/** What each ranking says of each point. */
function gather(rankings, votes) {
  const found = new Map();
  rankings.forEach((ranking, leg) =>
    ranking.entries.forEach(({ point, score }, index) => {
      const fused = found.get(point) ?? { point, score: 0, parts: [] };
      fused.parts.push({ leg, rank: index + 1, score, vote: votes[leg][index] });
      found.set(point, fused);
    }),
  );
  const fused = [...found.values()];
  // In ascending order, so that the order of the legs cannot change the sum by a rounding error.
  for (const one of fused) one.score = one.parts.map((part) => part.vote).sort((a, b) => a - b).reduce((a, b) => a + b, 0);
  return fused;
}

/** What each entry of a ranking adds to its point's score. */
function votesOf({ entries, weight }, method, k) {
  if (method === "min-max" || method === "dbsf") {
    const scale = method === "dbsf" ? distribution(entries) : minMax(entries);
    return entries.map(({ score }) => weight * scale(score));
  }
  return entries.map((_, index) => weight / (k + index + 1));
}

function minMax(entries) {
  const scores = entries.map(({ score }) => score);
  const [min, max] = [Math.min(...scores), Math.max(...scores)];
  return (score) => (max > min ? (score - min) / (max - min) : 1);
}

/** Three deviations below the mean become 0, three above it 1. */
function distribution(entries) {
  const scores = entries.map(({ score }) => score);
  const mean = scores.reduce((a, b) => a + b, 0) / scores.length;
  const squares = scores.reduce((sum, score) => sum + (score - mean) ** 2, 0);
  const deviation = Math.sqrt(squares / (scores.length - 1));
  return (score) => (deviation > 0 ? (score - (mean - 3 * deviation)) / (6 * deviation) : 0.5);
}

/** What every variant found comes first, in the order of reciprocal rank fusion; the rest behind it, unless strict. A
 *  variant has found what any of its legs found, so its legs are fused first; it counts as its heaviest leg does. */
function intersect(rankings, strict) {
  const numbers = [...new Set(rankings.filter(({ entries }) => entries.length > 0).map(({ variant }) => variant))];
  const variants = numbers.map((variant) => {
    const legs = rankings.filter((ranking) => ranking.variant === variant && ranking.entries.length > 0);
    return { weight: Math.max(...legs.map(({ weight }) => weight)), entries: legs.length > 1 ? fuse(legs, "rrf") : legs[0].entries };
  });
  const byLeg = new Map(fuse(rankings, "rrf").map((fused) => [fused.point, fused.parts]));
  const shared = fuse(variants, "rrf").map(({ point, score, parts }) => {
    const of = (leg) => numbers.indexOf(rankings[leg].variant);
    const legs = byLeg.get(point);
    const whole = (variant) => legs.filter(({ leg }) => of(leg) === variant).reduce((sum, { vote }) => sum + vote, 0);
    const outer = new Map(parts.map(({ leg, vote }) => [leg, vote]));
    const share = (part) => ({ ...part, vote: whole(of(part.leg)) > 0 ? (outer.get(of(part.leg)) * part.vote) / whole(of(part.leg)) : 0 });
    return { point, score, agreed: parts.length === variants.length, parts: legs.map(share) };
  });
  return strict ? shared.filter(({ agreed }) => agreed) : [...shared.filter(({ agreed }) => agreed), ...shared.filter(({ agreed }) => !agreed)];
}

/** By score, best first; equal scores by the best rank, then by the point. */
function bestFirst(fused) {
  const bestRank = ({ parts }) => Math.min(...parts.map(({ rank }) => rank));
  return fused.sort((a, b) => b.score - a.score || bestRank(a) - bestRank(b) || (a.point < b.point ? -1 : 1));
}
