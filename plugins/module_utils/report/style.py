# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the report looks, and the little that it does."""

from __future__ import annotations

STYLE = """
:root {
  color-scheme: light dark;
  --text: #1f2328; --faint: #59636e; --page: #ffffff; --raised: #f4f6f8; --line: #d1d9e0; --link: #0550ae;
  --good: #1a7f37; --changed: #7d5300; --bad: #b3261e; --worse: #8a1a4b; --still: #59636e; --going: #0550ae;
  --waits: #b6bec8;
  --c0: #1f2328; --c1: #b3261e; --c2: #116329; --c3: #7d5300; --c4: #0550ae; --c5: #8250df; --c6: #176b73;
  --c7: #59636e; --c8: #59636e; --c9: #b3261e; --c10: #116329; --c11: #7d5300; --c12: #0550ae;
  --c13: #8250df; --c14: #176b73; --c15: #1f2328;
  --g0: #d1d9e0; --g1: #ffd9d6; --g2: #cdf0d5; --g3: #fbe9b7; --g4: #d3e5ff; --g5: #eadcff; --g6: #cdeff1;
  --g7: #e6eaef;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --text: #e6edf3; --faint: #9da7b3; --page: #0d1117; --raised: #161b22; --line: #3a424c; --link: #79b8ff;
    --good: #56d364; --changed: #e3b341; --bad: #ff7b72; --worse: #ff8fc0; --still: #9da7b3;
    --going: #79b8ff; --waits: #4a5360;
    --c0: #9da7b3; --c1: #ff7b72; --c2: #56d364; --c3: #e3b341; --c4: #79b8ff; --c5: #d2a8ff; --c6: #56d4dd;
    --c7: #c9d1d9; --c8: #9da7b3; --c9: #ffa198; --c10: #7ee787; --c11: #f2cc60; --c12: #a5d6ff;
    --c13: #e2c5ff; --c14: #8be9ee; --c15: #ffffff;
    --g0: #30363d; --g1: #67221d; --g2: #14461f; --g3: #5a3e02; --g4: #12396b; --g5: #43246b; --g6: #12474b;
    --g7: #484f58;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 1rem; max-width: 75rem; background: var(--page); color: var(--text);
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere;
}
a { color: var(--link); }
:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
h1, h2, h3 { line-height: 1.25; margin: 1.5rem 0 .5rem; }
header h1, header h2 { margin-top: 0; }
small, .note, .kind, .places, .hint, dt, footer { color: var(--faint); }
small, .places, dt, footer { font-size: .85rem; }
small { font-weight: normal; }
.kind { margin: 0; }
article + article { margin-top: 3rem; border-top: 4px solid var(--line); padding-top: 1.5rem; }
nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1rem; padding: 0; list-style: none; }
.badge {
  display: inline-block; border: 1px solid; border-radius: 1rem; padding: 0 .6rem; color: var(--still);
  font-size: .85rem; font-weight: 600; line-height: 1.5; vertical-align: middle; white-space: nowrap;
}
.badge.successful { color: var(--good); } .badge.failed { color: var(--bad); }
.badge.error, .badge.unreachable { color: var(--worse); }
.badge.running, .badge.waiting { color: var(--going); }
.verdict {
  border-left: 4px solid var(--still); background: var(--raised); padding: .5rem 1rem; margin: 1rem 0;
}
.verdict p { margin: 0 0 .25rem; white-space: pre-line; }
.verdict.failed { border-color: var(--bad); } .verdict.error { border-color: var(--worse); }
.verdict.running { border-color: var(--going); }
.facts {
  display: grid; grid-template-columns: repeat(auto-fill, minmax(11rem, 1fr));
  gap: .5rem 1.5rem; margin: 1rem 0;
}
dd { margin: 0; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid var(--line); padding: .25rem .5rem; text-align: left; vertical-align: top; }
thead th, .heading th { color: var(--faint); font-size: .85rem; }
tbody th { font-weight: normal; }
.heading th { padding-top: .75rem; font-weight: 600; }
th.number, td.number { text-align: right; white-space: nowrap; }
td.zero { color: var(--faint); }
td.failed, td.unreachable { color: var(--bad); font-weight: 600; } td.changed { color: var(--changed); }
td.ok { color: var(--good); }
.wide { overflow-x: auto; }
.wide table { min-width: 36rem; }
.wide tbody th { min-width: 8rem; }
.chart th[scope=row] { width: 38%; }
.chart .number { width: 9rem; white-space: normal; }
.chart svg { display: block; width: 100%; height: .9rem; margin-top: .3rem; background: var(--raised); }
rect { fill: var(--still); }
rect.pending { fill: var(--waits); } rect.ok, rect.successful { fill: var(--good); }
rect.changed { fill: var(--changed); } rect.failed { fill: var(--bad); }
rect.error, rect.unreachable, rect.lost { fill: var(--worse); } rect.running { fill: var(--going); }
summary { cursor: pointer; padding: .25rem 0; color: var(--link); }
pre {
  margin: 0 0 .5rem; padding: .5rem .75rem; background: var(--raised); overflow-wrap: anywhere;
  white-space: pre-wrap; font: .85rem/1.4 ui-monospace, monospace; unicode-bidi: plaintext;
}
.failures { padding-left: 1.5rem; }
.failures p { margin: .25rem 0; }
.failures li { margin-bottom: 1rem; }
.places { display: flex; flex-wrap: wrap; gap: 0 1rem; }
button {
  font: inherit; color: var(--link); background: var(--raised); border: 1px solid var(--line);
  padding: .1rem .75rem; border-radius: .3rem; cursor: pointer;
}
footer { margin-top: 3rem; border-top: 1px solid var(--line); padding-top: .5rem; }
.unseen {
  position: absolute; width: 1px; height: 1px; overflow: hidden;
  clip-path: inset(50%); white-space: nowrap;
}
.b { font-weight: 700; } .d { opacity: .75; } .i { font-style: italic; } .u { text-decoration: underline; }
.s { text-decoration: line-through; } .u.s { text-decoration: underline line-through; }
.n { color: var(--page); background: var(--text); }
COLOURS
@media (max-width: 40rem) {
  .chart tr { display: grid; grid-template-columns: 1fr auto; }
  .chart th, .chart td { border: 0; padding: .1rem 0; }
  .chart th[scope=row] { width: auto; }
  .chart tr:not(.heading) th { grid-column: 1 / -1; }
  .chart .number { width: auto; padding-left: .75rem; }
  .chart tr { border-bottom: 1px solid var(--line); padding: .25rem 0; }
}
@media print {
  body { max-width: none; padding: 0; font-size: 10pt; }
  nav, .buttons, details:not([open]) { display: none; }
  .badge, rect, pre, .verdict, .chart svg { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  tr, .failures li, .verdict { break-inside: avoid; }
  .wide { overflow: visible; } .wide table { min-width: 0; }
  h1, h2, h3, summary { break-after: avoid; }
  article + article { break-before: page; border: 0; }
}
""".replace(
    "COLOURS",
    "\n".join(
        f".f{number} {{ color: var(--c{number}); }} .g{number} {{ background: var(--g{number % 8}); }}"
        for number in range(16)
    ),
)

SCRIPT = """
"use strict";
for (const place of document.querySelectorAll(".buttons")) place.hidden = false;
document.addEventListener("click", event => {
  const { open, close } = event.target.dataset;
  const part = document.getElementById(open || close);
  if (part) for (const each of part.querySelectorAll("details")) each.open = Boolean(open);
});
function reveal() {
  let part = document.getElementById(location.hash.slice(1));
  if (part === null) return;
  for (let each = part; each !== null; each = each.parentElement)
    if (each instanceof HTMLDetailsElement) each.open = true;
  part.scrollIntoView();
}
addEventListener("hashchange", reveal);
reveal();
"""
