"use strict";
// All text goes in as text nodes: evidence comes from pods and is not trusted.
const data = JSON.parse(document.getElementById("data").textContent);
const PAGE = 100;

function element(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

function flat(value, prefix, rows) {
  if (value === null || value === "" || (Array.isArray(value) && !value.length)) return rows;
  if (Array.isArray(value) && value.every((one) => typeof one !== "object")) rows.push([prefix, value.join(", ")]);
  else if (typeof value === "object") {
    for (const [name, inner] of Object.entries(value)) flat(inner, prefix ? prefix + " › " + name : name, rows);
  } else rows.push([prefix, String(value)]);
  return rows;
}

function chain(evidence) {
  const made = element("span", { class: "chain " + (evidence.outcome || "") });
  const decided = data.stages.indexOf(evidence.stage);
  data.stages.forEach((stage, at) => {
    const look = at === decided ? "decided" : at < decided ? "reached" : "";
    made.append(element("span", { class: look }, stage));
  });
  return made;
}

function seen([subject, evidence]) {
  const title = [evidence.call, evidence.operation].filter(Boolean).join(" · ");
  const said = [evidence.outcome, evidence.code].filter(Boolean).join(": ");
  const made = element("details", { class: "seen " + (evidence.outcome || "") },
    element("summary", {}, element("b", {}, subject), title, chain(evidence), said));
  made.addEventListener("toggle", () => {
    if (!made.open || made.querySelector("table")) return;
    const body = element("tbody", {});
    for (const [name, value] of flat(evidence, "", [])) {
      body.append(element("tr", {}, element("th", { scope: "row" }, name), element("td", {}, value)));
    }
    made.append(element("table", { class: "stages" }, body));
  });
  return made;
}

function again(command) {
  if (!command) return null;
  const copy = element("button", { type: "button" }, "Copy");
  copy.addEventListener("click", () => navigator.clipboard.writeText(command).then(() => { copy.textContent = "Copied"; }));
  return element("div", { class: "again" }, element("pre", {}, command), copy);
}

function duration(seconds) {
  return seconds < 1 ? Math.round(1000 * seconds) + " ms" : seconds.toFixed(1) + " s";
}

// As Python's shlex.quote.
function quoted(word) {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : "'" + word.replaceAll("'", "'\"'\"'") + "'";
}

function waited([what, used, bound, asked, ok]) {
  const times = asked === 1 ? "asked once" : "asked " + asked + " times";
  const said = duration(used) + " of " + duration(bound) + ", " + times + (ok ? "" : ", not in time");
  return element("div", { class: "meta" }, "waited for: " + what + " · " + said);
}

function took([what, step, seconds, bound, ok]) {
  const said = duration(seconds) + (bound === null ? "" : " of " + duration(bound)) + (ok ? "" : ", did not work");
  return element("div", { class: "meta" }, what + ": " + step + " · " + said);
}

function scenario(number) {
  const [file, name, verdict, seconds, worker, command, stage, message, evidence, left, waits, steps] = data.scenarios[number];
  const word = data.verdicts[verdict];
  const meta = [word + (stage ? " at " + stage : ""), duration(seconds), data.workers[worker]].filter(Boolean).join(" · ");
  const made = element("section", { class: "scenario " + word.replace(" ", "-") },
    element("h3", {}, name), element("div", { class: "meta" }, data.files[file] + " · " + meta));
  if (message) made.append(element("pre", {}, message));
  (evidence || []).forEach((one) => made.append(seen(data.evidence[one])));
  if (left) made.append(element("div", { class: "meta" }, left + " more pieces of evidence are in report.json"));
  (waits || []).forEach((one) => made.append(waited(data.waits[one])));
  (steps || []).forEach((one) => made.append(took(data.steps[one])));
  const line = again(data.commands[command].replace("\0", () => quoted(data.files[file] + "::" + name)));
  if (line) made.append(line);
  return made;
}

function fill(row) {
  const box = row.querySelector(".scenarios");
  if (box.dataset.filled) return;
  box.dataset.filled = "yes";
  const numbers = data.proving[row.dataset.number];
  let at = 0;
  const more = element("button", { type: "button", class: "more" }, "");
  const page = () => {
    numbers.slice(at, at + PAGE).forEach((number) => box.insertBefore(scenario(number), more));
    at += PAGE;
    more.textContent = (numbers.length - at) + " more scenarios";
    more.hidden = at >= numbers.length;
  };
  box.append(more);
  more.addEventListener("click", page);
  page();
}

const rows = [...document.querySelectorAll(".requirement")];
const chips = [...document.querySelectorAll(".chip")];
const text = document.getElementById("text");
const words = rows.map((row) => row.textContent.toLowerCase());

function filter() {
  const wanted = new Set(chips.filter((chip) => chip.getAttribute("aria-pressed") === "true").map((chip) => chip.dataset.verdict));
  const typed = text.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  rows.forEach((row, at) => {
    const fits = (!wanted.size || wanted.has(row.dataset.verdict)) && typed.every((word) => words[at].includes(word));
    row.hidden = !fits;
    shown += fits;
  });
  document.getElementById("shown").textContent = shown === rows.length ? "" : shown + " of " + rows.length;
}

chips.forEach((chip) => chip.addEventListener("click", () => {
  chip.setAttribute("aria-pressed", chip.getAttribute("aria-pressed") !== "true");
  filter();
}));
text.addEventListener("input", filter);
rows.forEach((row) => row.addEventListener("toggle", () => { if (row.open) fill(row); }));
addEventListener("beforeprint", () => rows.filter((row) => ["failed", "error"].includes(row.dataset.verdict)).forEach((row) => { fill(row); row.open = true; }));

function timeline() {
  const box = document.getElementById("timeline");
  const whole = Math.max(data.seconds, 0.001);
  data.lanes.forEach(([worker, bars]) => {
    const lane = element("div", { class: "bars" });
    bars.forEach(([kind, began, took, name]) => lane.append(element("i", {
      class: data.kinds[kind],
      style: "left:" + (100 * began / whole).toFixed(2) + "%;width:" + (100 * took / whole).toFixed(2) + "%",
      title: name + ": " + duration(took),
    })));
    box.append(element("div", { class: "lane" }, element("span", {}, worker), lane));
  });
  const legend = element("div", { class: "legend" });
  ["environment", "terraform", "pod", "scenario"].forEach((kind) => legend.append(element("span", {}, element("b", { class: kind }), kind)));
  legend.append(element("span", {}, data.seconds.toFixed(1) + " s from left to right"));
  box.append(legend);
}

timeline();
const linked = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
if (linked) linked.open = true;
else rows.filter((row) => row.dataset.verdict === "failed").slice(0, 3).forEach((row) => { row.open = true; });
