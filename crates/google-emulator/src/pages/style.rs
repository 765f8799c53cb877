//! The looks, shared by all pages: one column on a phone, readable in the dark.

pub(super) const CSS: &str = "
:root { font: 100%/1.5 system-ui, sans-serif; color-scheme: light dark; --line: #8886; --soft: #8881; --go: #0b57d0; }
body { overflow-wrap: anywhere; margin: 0; }
main { max-width: 34rem; margin: 0 auto; padding: 1rem; }
main:has(table.grid), main:has(.wide) { max-width: none; }
.banner { margin: 0; padding: .3rem 1rem; background: #fbbc04; color: #202124; font-size: .9rem; }
h1 { font-size: 1.6rem; line-height: 1.2; }
h2 { font-size: 1.15rem; margin-top: 2rem; }
label { display: block; font-weight: 600; margin: .8rem 0 .3rem; }
label.choice { font-weight: 400; display: flex; gap: .6rem; align-items: baseline; min-height: 2rem; }
input[type=text], input[type=email] { font: inherit; font-size: 1.3rem; width: 100%; box-sizing: border-box;
  padding: .6rem; border: 1px solid #888; border-radius: .4rem; }
#user_code { letter-spacing: .15em; text-transform: uppercase; font-family: ui-monospace, monospace; }
button { font: inherit; font-weight: 600; min-height: 2.8rem; padding: 0 1.4rem; margin: 1rem .6rem 0 0;
  border: 1px solid var(--go); border-radius: 1.4rem; background: var(--go); color: #fff; }
button.quiet { background: transparent; color: inherit; border-color: #888; }
:focus-visible { outline: 3px solid #fbbc04; outline-offset: 2px; }
fieldset { border: 1px solid var(--line); border-radius: .4rem; margin: 1rem 0; }
.code { font: 700 1.8rem ui-monospace, monospace; letter-spacing: .1em; }
.problem { border-left: .3rem solid #b3261e; padding: .4rem .8rem; background: #b3261e22; }
section.hand { padding: 0 1rem 1rem; }
section.hand form { display: inline-block; vertical-align: top; max-width: 100%; margin-right: .6rem; }
section.hand input[type=text] { font-size: 1rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; }
th, td { border: 1px solid var(--line); padding: .2rem .5rem; text-align: left; white-space: pre-wrap; vertical-align: top;
  max-width: 30rem; overflow-wrap: anywhere; }
table.grid th { background: Canvas; position: sticky; font-weight: 400; color: GrayText; }
table.grid thead th { top: 0; z-index: 2; }
table.grid tbody th { left: 0; text-align: right; }
table.grid tr.frozen td { background: Canvas; position: sticky; top: 1.9rem; z-index: 1;
  border-bottom: 2px solid #888; }
thead th, .wide table:not(.grid) td:first-child { white-space: nowrap; overflow-wrap: normal; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
td.bool { text-align: center; }
td.bold { font-weight: 700; }
nav.tabs { display: flex; flex-wrap: wrap; gap: .4rem; margin: .6rem 0; }
nav.tabs a { padding: .3rem .8rem; border: 1px solid var(--line); border-radius: .4rem .4rem 0 0; }
nav.tabs a[aria-current] { font-weight: 700; background: var(--soft); }
.bad { color: #b3261e; font-weight: 600; }
code { font-family: ui-monospace, monospace; overflow-wrap: anywhere; }
@media (prefers-color-scheme: dark) { .bad { color: #f2b8b5; } :root { --go: #1a73e8; } }
";

/// Replaces `<main>` when it has changed; the server has escaped everything in it.
pub(super) const REFRESH: &str = "
const main = document.querySelector('main');
let last = main.innerHTML;
setInterval(async () => {
  if (document.hidden) return;
  try {
    const reply = await fetch(part);
    const html = await reply.text();
    if (!reply.ok || html === last) return;
    last = html;
    const box = main.querySelector('.wide');
    const place = box ? [box.scrollLeft, box.scrollTop] : [0, 0];
    main.innerHTML = html;
    const next = main.querySelector('.wide');
    if (next) [next.scrollLeft, next.scrollTop] = place;
  } catch { /* the emulator is being restarted; try again */ }
}, 1000);
";
