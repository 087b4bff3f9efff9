/* Of equal matches, documents come before pages of example studies, and the changelog last. */
const BEHIND = { "docs/example/": 20, CHANGELOG: 30 };
var Scorer = {  // instead of that of searchtools.js, which is there already
  score: ([name, title, anchor, about, score]) => {
    const start = Object.keys(BEHIND).find((start) => name.startsWith(start));
    return score - (start ? BEHIND[start] : 0);
  },
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
