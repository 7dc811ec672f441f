/* The page's behaviour: drawing charts in the scheme of the moment, highlighting an objective everywhere, choosing a
   setting, taking data away, and responses side by side. Nothing is fetched. */
"use strict";
(() => {
  const $ = (s, at = document) => at.querySelector(s);
  const $$ = (s, at = document) => [...at.querySelectorAll(s)];
  const { figures, config, labels, base } = JSON.parse($("#figures").textContent);
  const views = new Map();
  let focus = "";

  // -- scheme ------------------------------------------------------------------------------------------------
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const schemes = ["system", "light", "dark"];
  const scheme = () => root.dataset.scheme || (system.matches ? "dark" : "light");
  $("#scheme").onclick = (e) => {
    const next = schemes[(schemes.indexOf(root.dataset.scheme || "system") + 1) % 3];
    if (next === "system") delete root.dataset.scheme; else root.dataset.scheme = next;
    e.target.textContent = `Theme: ${next}`;
    draw();
  };
  system.addEventListener("change", () => draw());

  // -- charts: each is drawn when its section is first open -----------------------------------------------------
  let queue = Promise.resolve(), turns = 0;
  const draw = () => { const turn = ++turns; return (queue = queue.then(() => drawOpen(turn))); };
  const unseen = (e) => e.closest("[hidden], details:not([open])");
  async function drawOpen(turn) {
    const now = scheme();
    for (const plot of $$(".plot")) {
      const name = plot.dataset.figure, old = views.get(name);
      if (unseen(plot) || (old && old.scheme === now)) continue;
      await new Promise((done) => setTimeout(done)); // the page can be read while its charts are drawn
      if (turn !== turns) return; // another drawing was asked for
      const keep = old && old.signals.includes("budget") ? old.view.signal("budget") : null;
      if (old) old.finalize();
      const made = await vegaEmbed(plot, structuredClone(figures[name]), {
        mode: "vega-lite", renderer: "svg", actions: false, ast: true, config: config[now], tooltip: { theme: now },
      });
      const signals = made.vgSpec.signals.map((s) => s.name);
      if (keep !== null) made.view.signal("budget", keep);
      views.set(name, { view: made.view, finalize: made.finalize, scheme: now, signals });
      made.view.signal("focus", focus).run();
    }
    document.body.dataset.drawn = now;
  }
  function highlight(label) {
    focus = focus === label ? "" : label;
    $$(".chip").forEach((c) => c.setAttribute("aria-pressed", String(c.dataset.focus === focus)));
    $$("tr[data-label]").forEach((r) => r.classList.toggle("faded", focus !== "" && ![focus, base].includes(r.dataset.label)));
    views.forEach(({ view }) => view.signal("focus", focus).run());
  }
  $$(".chip").forEach((c) => (c.onclick = () => highlight(c.dataset.focus)));
  addEventListener("keydown", (e) => e.key === "Escape" && focus && highlight(focus));

  const setting = $("#setting");
  if (setting) setting.onchange = () => {
    $$("[data-setting]").forEach((s) => (s.hidden = s.dataset.setting !== setting.value));
    draw();
    dispatchEvent(new Event("resize"));
    show();
  };

  // -- sections ----------------------------------------------------------------------------------------------
  const sections = $$("details.section"), menu = $("#menu"), wide = matchMedia("(min-width: 1080px)");
  const openAll = (on) => sections.forEach((s) => (s.open = on));
  $("#open-all").onclick = () => openAll(true);
  $("#close-all").onclick = () => openAll(false);
  document.addEventListener("toggle", (e) => {
    if (!e.target.open) return;
    draw();
    if (e.target.id === "responses") unpack();
  }, true);
  function reach() { // a link opens what it leads to
    const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    for (let e = target; e; e = e.parentElement) if (e.matches("details")) e.open = true;
    target.scrollIntoView();
    if (target.id === "responses") unpack().then(() => target.scrollIntoView()); // it has grown
    (target.matches("details") ? $("summary", target) : target).focus({ preventScroll: true });
  }
  addEventListener("hashchange", reach);
  $$(".links a").forEach((a) => (a.onclick = () => {
    if (!wide.matches) menu.open = false;
    if (a.hash === location.hash) reach(); // again: there is no change of hash to hear of
  }));
  const menuFits = () => (menu.open = wide.matches);
  wide.addEventListener("change", menuFits);
  menuFits();

  // -- paper: every section open, every chart in the light scheme and no wider than the sheet -------------------------
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = $$("details:is(.section, .more, .rule):not([open])").filter((d) => d.id !== "responses");
    folded.forEach((d) => (d.open = true));
    for (const plot of $$(".plot:not(.set)")) {
      const sheet = plot.parentElement.insertBefore(element("div", "", "sheet"), plot), spec = figures[plot.dataset.figure];
      vegaEmbed(sheet, { ...structuredClone(spec), width: 640 }, { // waits for nothing, so it is there when this turn ends
        mode: "vega-lite", renderer: "svg", actions: false, ast: true, config: config.light,
      });
      plot.classList.add("set");
    }
  });
  addEventListener("afterprint", () => folded.forEach((d) => (d.open = false)));

  // -- taking away -------------------------------------------------------------------------------------------
  function save(name, href) {
    const a = Object.assign(document.createElement("a"), { download: name, href });
    document.body.append(a); a.click(); a.remove();
  }
  $$("[data-take]").forEach((b) => (b.onclick = async () => {
    const figure = b.closest("figure"), name = $(".plot", figure).dataset.figure, kind = b.dataset.take;
    if (kind !== "csv") return save(`${name}.${kind}`, await views.get(name).view.toImageURL(kind, 2));
    const quote = (t) => (/[",\n]/.test(t) ? `"${t.replaceAll('"', '""')}"` : t);
    const rows = $$("tr", figure).map((r) => $$("th,td", r).map((c) => quote(c.textContent)).join(","));
    save(`${name}.csv`, URL.createObjectURL(new Blob([rows.join("\n") + "\n"], { type: "text/csv" })));
  }));

  $$("[data-copy]").forEach((b) => (b.onclick = async () => {
    const text = $("pre", b.closest("details")), range = document.createRange();
    range.selectNodeContents(text);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    try { await navigator.clipboard.writeText(text.textContent); } catch { document.execCommand("copy"); }
    b.textContent = "Copied";
  }));

  // -- responses ---------------------------------------------------------------------------------------------
  const picker = $("#picker"), finder = $("#finder"), reveal = $("#reveal");
  let data = null, unpacking = null, shown = 0;
  const unpack = () => (unpacking ??= unpacked());
  async function unpacked() {
    const bytes = Uint8Array.from(atob($("#sample").textContent.trim()), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    data = JSON.parse(await new Response(stream).text());
    show();
  }
  const masked = () => reveal.getAttribute("aria-pressed") !== "true";
  function element(tag, text, cls) { return Object.assign(document.createElement(tag), { textContent: text, className: cls || "" }); }
  function words(text, forbidden, cls) {
    const hide = forbidden && masked();
    const e = element("p", hide ? text.replace(/[^\s]/g, "▇").slice(0, 360) : text, `${cls}${hide ? " masked" : ""}`);
    if (hide) { e.setAttribute("aria-label", "masked"); e.setAttribute("role", "img"); }
    return e;
  }
  function fill(select, options, first) {
    const was = select.value;
    select.replaceChildren(...options.map(([value, text]) => new Option(text, value)));
    select.value = options.some(([v]) => String(v) === was) ? was : String(first ?? options[0]?.[0] ?? "");
    select.closest("label").hidden = options.length < 2;
  }
  const tokens = (b) => b.toLocaleString("en");
  const distinct = (values) => [...new Set(values)].sort((a, b) => (a > b) - (a < b));
  const chosenSetting = () => config.settings[setting ? +setting.value : 0];
  const cellsHere = () => data.cells.map((c, i) => [i, c]).filter(([, c]) => !c.task || c.task === chosenSetting().task);
  const isHere = (s) => s.model === chosenSetting().model && (s.task === chosenSetting().task || !s.task);
  const brief = ([text, , f, id], i) => `${i + 1}. ${f && masked() ? "masked" : text.replace(/\s+/g, " ").slice(0, 90)} (${id})`;

  function card([, , s, text, plain, verdicts, hide, finish, thought, talk], title, forbidden) {
    const { label } = data.subjects[s], made = element("article", ""), head = element("h4", title || label);
    if (labels.includes(label)) made.style.setProperty("--own", `var(--o${labels.indexOf(label)})`);
    const said = verdicts.map(([judge, verdict, score]) => `${judge === "own" ? "" : `${judge}: `}${verdict || "scored"}${score === null ? "" : ` ${score}`}`);
    if (finish) said.push(finish === "length" ? "cut off" : finish);
    head.append(element("span", said.join(" · "), "verdicts"));
    made.append(head);
    if (thought) { // folded: what is judged is the answer
      const folded = element("details", "", "thought");
      folded.append(element("summary", "Thought, not judged"), words(thought, hide, "text"));
      made.append(folded);
    }
    if (talk) { // folded: what was asked and answered before this, and what was asked at last
      const folded = element("details", "", "thought");
      folded.append(element("summary", `The conversation before, ${talk.length} rounds`));
      talk.forEach(([asked, said, masks], n) => {
        folded.append(element("small", `Asked, round ${n + 1}`), words(asked || "(not known any more)", forbidden, "text asked"));
        if (n < talk.length - 1) folded.append(element("small", "Answered"), words(said || "(empty)", masks, "text"));
      });
      made.append(folded);
    }
    made.append(words(text || "(empty)", hide, "text"));
    if (plain) made.append(words(plain, hide, "text decoded"));
    return made;
  }

  function compare() { // one prompt: the base model's answer, then each objective's at one seed and budget
    const p = picker.elements, cells = cellsHere(), mine = data.subjects.filter((s) => isHere(s) && s.budget);
    fill(p.cell, cells.map(([i, c]) => [i, c.name]));
    const cell = data.cells[+p.cell.value];
    if (!cell) return $("#answers").replaceChildren(element("p", "No generated responses were kept.", "absent"));
    fill(p.attack, cell.attacks.map((a, i) => [i, a]), Math.min(1, cell.attacks.length - 1));
    fill(p.seed, distinct(mine.map((s) => s.seed)).map((s) => [s, s]));
    const budgets = distinct(mine.filter((s) => s.seed === +p.seed.value).map((s) => s.budget));
    fill(p.budget, budgets.map((b) => [b, tokens(b)]), budgets.at(-1));
    fill(p.prompt, cell.prompts.map((x, i) => [i, brief(x, i)]));
    const [text, reference, forbidden] = cell.prompts[+p.prompt.value];
    $("#prompt").replaceChildren(element("small", cell.attacks.length > 1 ? "The plain prompt, before the attack" : "Prompt"), words(text, forbidden, "text"));
    if (reference) $("#prompt").append(element("small", `Reference: ${forbidden && masked() ? "masked" : reference}`));
    const beside = (s) => isHere(s) && (!s.budget || (s.budget === +p.budget.value && s.seed === +p.seed.value));
    const place = ([, , s]) => labels.indexOf(data.subjects[s].label); // of the base: -1
    const wanted = cell.answers.filter(([q, a, s]) => q === +p.prompt.value && a === +p.attack.value && beside(data.subjects[s]));
    const cards = wanted.sort((a, b) => place(a) - place(b)).map((a) => card(a, "", forbidden));
    $("#answers").replaceChildren(...(cards.length ? cards : [element("p", "No response to this prompt was kept.", "absent")]));
  }

  const judged = (verdicts, coherence) => verdicts.filter(([j]) => (j === "coherence") === coherence).map(([j, v]) => (coherence || j === "own" ? v || "scored" : `${j}: ${v || "scored"}`));
  function offered() { // what there is to filter by
    const f = finder.elements, cells = cellsHere(), mine = data.subjects.filter(isHere);
    const among = (select, values, say = (v) => v) => fill(select, [["", "any"], ...values.map((v) => [v, say(v)])], "");
    const every = cells.flatMap(([, c]) => c.answers);
    fill(f.cell, [["", "any"], ...cells.map(([i, c]) => [i, c.name])], "");
    among(f.attack, [...new Set(cells.flatMap(([, c]) => c.attacks))]);
    among(f.label, [...new Set(mine.map((s) => s.label))]);
    among(f.seed, distinct(mine.filter((s) => s.budget).map((s) => s.seed)));
    among(f.budget, distinct(mine.filter((s) => s.budget).map((s) => s.budget)), tokens);
    among(f.verdict, distinct(every.flatMap((a) => judged(a[5], false))));
    among(f.coherence, distinct(every.flatMap((a) => judged(a[5], true))));
  }
  function find() {
    const f = finder.elements, is = (name, value) => f[name].value === "" || f[name].value === String(value);
    const sought = f.words.value.toLowerCase().split(/\s+/).filter(Boolean);
    const hits = [];
    let of = 0;
    for (const [i, cell] of cellsHere()) for (const a of cell.answers) {
      const [q, attack, s, text, plain, verdicts, hide, , thought] = a, who = data.subjects[s], [asks, , forbidden, id] = cell.prompts[q];
      if (!isHere(who)) continue;
      of += 1;
      if (!is("cell", i) || !is("attack", cell.attacks[attack]) || !is("label", who.label) || !is("seed", who.seed) || !is("budget", who.budget)) continue;
      if (f.verdict.value && !judged(verdicts, false).includes(f.verdict.value)) continue;
      if (f.coherence.value && !judged(verdicts, true).includes(f.coherence.value)) continue;
      // only what can be read is searched: a hit must not tell what is masked
      const seen = [id, hide && masked() ? "" : `${text} ${plain} ${thought}`, forbidden && masked() ? "" : asks].join(" ").toLowerCase();
      if (sought.every((w) => seen.includes(w))) hits.push([i, a]);
    }
    $("#hits").textContent = `${tokens(hits.length)} of ${tokens(of)} responses`;
    $("#found").replaceChildren(...hits.slice(0, shown).map(([i, a]) => hit(i, a)));
    $("#more").hidden = hits.length <= shown;
  }
  function hit(i, a) {
    const cell = data.cells[i], who = data.subjects[a[2]], [asks, , forbidden, id] = cell.prompts[a[0]];
    const where = [who.label, ...(who.budget ? [`seed ${who.seed}`, `${tokens(who.budget)} tokens`] : []), ...(cell.attacks.length > 1 ? [cell.attacks[a[1]]] : []), `item ${id}`];
    const made = card(a, where.join(" · "), forbidden), go = element("button", `Beside the other ${config.nouns}`);
    made.insertBefore(words(asks, forbidden, "text asked"), $(".text", made));
    go.type = "button";
    go.onclick = () => {
      const p = picker.elements;
      p.cell.value = i;
      compare(); // the choices of this measure
      p.attack.value = a[1]; p.prompt.value = a[0];
      if (who.budget) { p.seed.value = who.seed; compare(); p.budget.value = who.budget; }
      compare();
      picker.scrollIntoView();
      p.prompt.focus({ preventScroll: true });
    };
    made.append(go);
    return made;
  }
  function search() { shown = 12; find(); }
  function show() { if (data) { compare(); offered(); search(); } }
  picker.onchange = compare;
  let typing = 0;
  finder.oninput = () => { clearTimeout(typing); typing = setTimeout(search, 120); };
  finder.onreset = () => setTimeout(search);
  picker.onsubmit = finder.onsubmit = (e) => e.preventDefault();
  $("#more").onclick = () => { shown += 24; find(); };
  $$("[data-step]").forEach((b) => (b.onclick = () => {
    const select = picker.elements.prompt, n = select.options.length;
    select.selectedIndex = (select.selectedIndex + +b.dataset.step + n) % n;
    compare();
  }));
  reveal.onclick = () => {
    reveal.setAttribute("aria-pressed", String(masked()));
    reveal.textContent = masked() ? "Reveal forbidden text" : "Mask forbidden text";
    show();
  };

  reach();
  draw();
})();
