// A walk through the prior: play, speed, truncation; beside it the score and the nearest training images of every moment.
"use strict";

{
  const LIMIT = 3; // of the truncation's range: beyond it nothing is cut off
  const KEPT = 240; // scores in the curve

  // The curve of the scores of the last moments.
  const curve = (canvas, scores) => {
    const [width, height] = [(canvas.width = canvas.clientWidth || 300), canvas.height];
    const context = canvas.getContext("2d");
    const [low, high] = [Math.min(...scores), Math.max(...scores)];
    context.strokeStyle = minigen.themed("--accent");
    context.lineWidth = 1.5;
    context.beginPath();
    scores.forEach((value, k) => {
      context.lineTo((k * width) / (KEPT - 1), height - 3 - ((value - low) / (high - low || 1)) * (height - 6));
    });
    context.stroke();
  };

  const mount = (root, page) => {
    const { prior, score, classifies } = page.payload.abilities;
    const truncates = prior.includes("normal");
    const walk = { seed: 1, t: 0, speed: 0.5, limit: Infinity, playing: false };
    const scores = [];
    let shown = null; // the newest {code, label, image}
    let moments = 0;

    let mine = null; // the code of the walk's newest place

    const show = () => {
      mine = minigen.prior.code(minigen.prior.walk(walk.seed, walk.t, prior.length), prior, walk.limit);
      place.textContent = `path ${walk.seed}, place ${walk.t.toFixed(2)}`;
      return page.set({ code: mine }, "walk");
    };
    const go = async () => {
      let before = performance.now();
      while (walk.playing) {
        await show();
        await new Promise(requestAnimationFrame);
        const now = performance.now();
        if (!mine.every((z, k) => z === page.code[k])) play(false); // somebody has chosen another one
        if (walk.playing) walk.t += (walk.speed * Math.min(now - before, 200)) / 1000;
        before = now;
      }
    };
    const play = (playing) => {
      if (walk.playing === playing) return;
      walk.playing = playing;
      button.textContent = playing ? "Pause" : "Play";
      button.setAttribute("aria-pressed", playing);
      if (playing) go();
      else if (shown) rest();
    };
    const step = (by) => {
      play(false);
      walk.t += by;
      return show();
    };
    const other = () => {
      walk.seed += 1;
      walk.t = 0;
      scores.length = 0;
      return show();
    };

    const button = minigen.button("Play", () => play(!walk.playing), { id: "walk-play", "aria-pressed": false });
    const place = minigen.el("span", { class: "muted small", id: "walk-place" });
    const pace = { min: 0.05, max: 2, step: 0.05, value: walk.speed, id: "walk-speed" };
    const speed = minigen.range("Speed", pace, (value) => { walk.speed = value; });
    const says = (value) => (value >= LIMIT ? "off" : `within \u00b1${value.toFixed(2)}`);
    const cut = (value) => {
      walk.limit = value >= LIMIT ? Infinity : value;
      if (!walk.playing) show();
    };
    const limits = { min: 0.05, max: LIMIT, step: 0.05, value: LIMIT, say: says, id: "walk-truncation" };
    const truncation = truncates ? minigen.range("Truncation", limits, cut) : null;
    const buttons = minigen.el("div", { class: "buttons" }, button,
      minigen.button("\u2190", () => step(-0.1), { id: "walk-back", "aria-label": "a step back" }),
      minigen.button("\u2192", () => step(0.1), { id: "walk-on", "aria-label": "a step on" }),
      minigen.button("Another path", other, { id: "walk-path" }), place);

    const said = minigen.el("output", { id: "walk-score" });
    const graph = score ? minigen.el("canvas", { height: 60, class: "wide", hidden: true, role: "img", "aria-label": "the score along the walk" }) : null;
    const taken = minigen.el("output", { id: "walk-class" });
    const near = minigen.el("div", { class: "table", id: "walk-nearest" });
    const judge = minigen.latest(async () => {
      const { image, code, label } = shown;
      if (score) {
        const [value] = await minigen.score(page, image, { codes: code, labels: [label ?? 0] });
        scores.push(value);
        if (scores.length > KEPT) scores.shift();
        said.textContent = minigen.scoreText(page, value);
        said.dataset.value = value;
        graph.hidden = scores.length < 2;
        if (!graph.hidden) curve(graph, scores);
      }
      if (classifies) {
        const [found] = await minigen.classify(page, image);
        const name = page.classes?.[found.label] ?? found.label;
        taken.textContent = `${name} (${(100 * found.probability).toFixed(0)} %)`;
      }
    });
    const search = () => near.replaceChildren(...minigen.neighbours(page, shown.image, 5));
    const rest = minigen.later(100, () => {
      judge().catch(minigen.complain);
      search();
    });
    // While it plays the score is that of each image, and the search, which takes longer, of each eighth.
    const about = () => {
      if (!walk.playing) return rest();
      judge().catch(minigen.complain);
      if (moments++ % 8 === 0) search();
    };

    root.append(buttons, minigen.el("div", { class: "controls" }, speed, truncation),
      score ? minigen.el("p", {}, "Score ", minigen.el("b", {}, said), minigen.el("span", { class: "muted small" }, ` ${minigen.scoreUnit(page)}`)) : "", graph ?? "",
      classifies ? minigen.el("p", {}, "The classifier takes it for ", minigen.el("b", {}, taken)) : "",
      minigen.el("p", { class: "muted small" }, `Nearest of ${page.payload.train.images.shape[0]} training images, by the root mean square difference of pixels`), near);
    root.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: -0.1, ArrowRight: 0.1 }[event.key];
      if (by === undefined || event.target.type === "range") return;
      event.preventDefault();
      step(by);
    });
    page.on((now) => {
      shown = now;
      about();
    });
  };

  minigen.panel({
    id: "walk", title: "Walk",
    about: "A smooth way through the codes that the model draws from; each moment is as likely as a sample.",
    can: (page) => page.payload.abilities.panels.includes("walk"), mount,
  });
}
