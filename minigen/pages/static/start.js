// Begin: read the payload, choose who computes the networks, put up the page. <body data-finished> says that it stands.
"use strict";

{
  const heading = ({ run, minigen: version, image, latent }) => {
    const shape = image.shape.join(" \u00d7 ");
    const facts = [`${run.checkpoint} checkpoint, step ${run.step}`, `images ${shape}`, latent ? `codes of ${latent.size}` : null];
    return minigen.el("header", { class: "top" },
      minigen.el("h1", {}, run.model, minigen.el("span", { class: "muted" }, " on "), run.data),
      minigen.el("p", {}, run.summary),
      minigen.el("p", { class: "muted small" }, [...facts, `minigen ${version}`].filter(Boolean).join(" \u00b7 ")));
  };

  // Who computes: this page, if it holds the networks as programs, whose weights are places in one list; else minigen.
  const engineOf = ({ programs }) => {
    if (!programs) return new minigen.ServerEngine();
    for (const program of Object.values(programs.parts)) {
      for (const [name, place] of Object.entries(program.weights)) program.weights[name] = programs.weights[place];
    }
    return new LocalEngine(programs.parts, document.getElementById("forward-source").textContent);
  };

  const begin = async () => {
    const root = document.getElementById("page");
    const payload = await minigen.unpack(JSON.parse(document.getElementById("payload").textContent));
    const page = new minigen.Page(payload, engineOf(payload));
    minigen.page = page;
    const panels = minigen.el("div", { class: "panels" });
    root.replaceChildren(heading(payload), minigen.el("p", { id: "complaint", role: "alert", hidden: true }),
      minigen.el("div", { class: "columns" }, page.model.decodes ? minigen.stage(page) : null, panels));
    await page.mount(panels);
    if (page.model.decodes) await page.begin();
    root.removeAttribute("aria-busy");
  };

  begin()
    .catch((error) => {
      document.getElementById("page").append(minigen.el("p", { role: "alert", class: "complaint" }, `This page could not be shown: ${error.message}`));
      throw error;
    })
    .finally(() => { document.body.dataset.finished = "true"; });
}
