"""How the report looks: calm, light and dark, readable on a desk and on a phone."""

CSS = """
:root { color-scheme: light dark; --paper:#fbfbf9; --card:#fff; --ink:#22262b; --faint:#6b7280; --line:#e4e4df;
  --accent:#2f6f68; --warn:#a14a2a; --s0:#2f6f68; --s1:#b0662c; --s2:#5b6fb5; --s3:#8a5a94; --s4:#7b7f36;
  --s5:#b0486a; --s6:#3b86a8; --s7:#6b7280; }
@media (prefers-color-scheme: dark) { :root { --paper:#16181b; --card:#1d2024; --ink:#e6e6e2; --faint:#9aa1ab;
  --line:#2f343a; --accent:#7cc4ba; --warn:#e39a78; --s0:#7cc4ba; --s1:#e0a06a; --s2:#9aaaf0; --s3:#c79ad2;
  --s4:#c3c878; --s5:#ee8fb0; --s6:#7fc3e2; --s7:#a9b0ba; } }
* { box-sizing:border-box; }
html { -webkit-text-size-adjust:100%; }
body { margin:0; background:var(--paper); color:var(--ink); font:15px/1.5 system-ui, -apple-system, "Segoe UI",
  Roboto, "Helvetica Neue", sans-serif; }
main { max-width:1240px; margin:0 auto; padding:28px 20px 80px; }
h1 { font-size:26px; margin:0 0 4px; letter-spacing:-.01em; }
h2 { font-size:18px; margin:40px 0 10px; }
h3 { font-size:15px; margin:0 0 8px; }
p { margin:6px 0; max-width:80ch; }
.faint, small { color:var(--faint); }
.badge { display:inline-block; border:1px solid var(--accent); color:var(--accent); border-radius:99px;
  padding:1px 10px; font-size:12.5px; margin:4px 6px 4px 0; white-space:nowrap; }
.scroll { overflow-x:auto; background:var(--card); border:1px solid var(--line); border-radius:10px; }
table { border-collapse:collapse; width:100%; font-variant-numeric:tabular-nums; }
th, td { padding:8px 12px; text-align:right; vertical-align:top; border-bottom:1px solid var(--line); }
tr:last-child td { border-bottom:0; }
th { font-weight:600; font-size:13px; vertical-align:bottom; }
th:first-child, td:first-child { text-align:left; position:sticky; left:0; background:var(--card); min-width:150px; }
td small { display:block; font-size:12px; white-space:nowrap; }
td.block { color:var(--faint); font-size:12.5px; padding-top:16px; text-transform:uppercase;
  letter-spacing:.05em; position:static; }
td.text, th.text { text-align:left; }
td.best b { color:var(--accent); }
td .chips { white-space:normal; }
.missing { color:var(--warn); }
.person { background:var(--card); border:1px solid var(--line); border-radius:10px; padding:14px; margin:0 0 14px; }
.person .sides { display:flex; gap:18px; align-items:flex-start; }
.photos { display:grid; grid-template-columns:repeat(2, 100px); gap:5px; flex:none; }
.photos img, .heads img { width:100%; display:block; border-radius:5px; background:var(--line); }
.heads { display:grid; gap:5px; flex:1; min-width:0; overflow-x:auto; align-items:center; }
.heads span { font-size:12.5px; overflow-wrap:anywhere; }
.heads .top { align-self:end; line-height:1.25; } .heads .side { color:var(--faint); }
.heads .none { aspect-ratio:1; border:1px dashed var(--line); border-radius:5px; display:flex; align-items:center;
  justify-content:center; color:var(--faint); text-align:center; }
.charts { display:grid; grid-template-columns:repeat(auto-fit, minmax(min(100%, 480px), 1fr)); gap:14px; }
.charts figure { margin:0; padding:14px; background:var(--card); border:1px solid var(--line); border-radius:10px; }
svg { width:100%; height:auto; display:block; font-size:13px; }
svg text { fill:var(--ink); } svg .title { font-weight:600; } svg .tick, svg .none { fill:var(--faint); font-size:12px; }
svg .grid { stroke:var(--line); } svg .zero { stroke:var(--faint); stroke-dasharray:3 3; }
svg .bar { stroke:var(--c); stroke-width:3; opacity:.55; stroke-linecap:round; } svg .dot { fill:var(--c); }
svg .curve { fill:none; stroke:var(--c); stroke-width:2; }
.legend { display:flex; flex-wrap:wrap; gap:4px 14px; font-size:12.5px; margin-top:8px; }
.legend i { display:inline-block; width:12px; height:3px; background:var(--c); margin-right:6px; vertical-align:middle; }
details { background:var(--card); border:1px solid var(--line); border-radius:10px; padding:10px 14px; margin:0 0 10px; }
details .scroll { border:0; }
summary { cursor:pointer; font-weight:600; }
code, pre { font:12.5px/1.5 ui-monospace, SFMono-Regular, Menlo, monospace; }
pre { background:var(--card); border:1px solid var(--line); border-radius:10px; padding:12px; overflow-x:auto; }
dl { display:grid; grid-template-columns:max-content 1fr; gap:4px 18px; margin:10px 0; }
dt { color:var(--faint); } dd { margin:0; overflow-wrap:anywhere; }
@media (max-width: 720px) {
  main { padding:18px 12px 60px; } h1 { font-size:21px; }
  .person .sides { flex-direction:column; gap:12px; } .photos { grid-template-columns:repeat(4, 1fr); width:100%; }
  .heads { width:100%; } th, td { padding:7px 9px; }
  th:first-child, td:first-child { min-width:112px; max-width:140px; overflow-wrap:anywhere; }
  dl { grid-template-columns:1fr; gap:0; } dd { margin-bottom:8px; }
}
@media print { .person, .charts figure { break-inside:avoid; } }
"""
