// What the doctor found and why training stopped, at the updates where it was.
"use strict";

{
  const { el, scales } = minigen;

  // What the curves of a run mark: [{step, text}]. A disease that several looks in a row found is one mark, at the first.
  minigen.marksOf = (run) => {
    const marks = [];
    let open = new Map(); // by disease: the marks that the last look was still about
    for (const { step, doctor, stopped } of run.journal) {
      if (stopped !== undefined) {
        marks.push({ step, text: `stopped: ${stopped}` });
        continue;
      }
      const now = new Map();
      for (const { disease, evidence, remedy } of doctor.findings ?? []) {
        const mark = open.get(disease) ?? { step, looks: 0 };
        if (!mark.looks) marks.push(mark);
        mark.looks += 1;
        const again = mark.looks > 1 ? ` (in ${mark.looks} looks, the last at update ${scales.whole(step)})` : "";
        mark.text = `${disease}: ${evidence}. ${remedy}${again}`;
        now.set(disease, mark);
      }
      open = now;
    }
    return marks;
  };

  // How often the doctor looked, and what it said last when it found nothing.
  const looks = (run) => {
    const checkups = run.journal.filter(({ doctor }) => doctor);
    if (!checkups.length) return "The doctor has not looked yet.";
    const { step, doctor } = checkups.at(-1);
    const found = doctor.findings?.length ? `${doctor.findings.length} found` : doctor.note || `all is well (${doctor.checks} check${doctor.checks === 1 ? "" : "s"})`;
    return `The doctor looked ${checkups.length === 1 ? "once" : `${checkups.length} times`}; at update ${scales.whole(step)}: ${found}.`;
  };

  minigen.Journal = class {
    // `goTo(run, step)` is called when an entry is chosen.
    constructor(goTo) {
      this.goTo = goTo;
      this.body = el("div", { class: "body" });
      this.root = el("section", { class: "panel", id: "journal", "aria-label": "What was found" }, el("header", {}, el("h2", {}, "What was found")), this.body);
    }

    show(runs, colourOf) {
      this.body.replaceChildren(...runs.map((run) => {
        const items = minigen.marksOf(run).map(({ step, text }) =>
          el("li", { class: "bad" }, minigen.button(`update ${scales.whole(step)}`, () => this.goTo(run, step), { class: "small" }), el("span", {}, text)));
        return el("div", { "data-run": run.name },
          runs.length > 1 ? el("h3", {}, el("i", { class: "dot", style: `background:${colourOf(run.name)}` }), run.name) : null,
          items.length ? el("ul", { class: "found" }, items) : null, el("p", { class: "muted small" }, looks(run)));
      }));
    }
  };
}
