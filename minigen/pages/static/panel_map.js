// The latent map: the codes of test images in a plane. Hover shows an image; click and drag paint what the decoder makes there.
"use strict";

{
  const REACH = 0.018; // of the window: how near a pointer is to "its" point

  const mount = (root, page) => {
    const view = new minigen.MapView(page);
    const colourings = minigen.colourings(page);
    let colouring = Object.keys(colourings)[0] ?? null;
    let flat = false;
    let hovered = null;

    const canvas = minigen.el("canvas", {
      id: "map", tabindex: 0, role: "application", "aria-roledescription": "latent map",
      "aria-label": "Latent map. Arrow keys move the current code, with Shift in larger steps; Enter takes the nearest test image.",
    });
    const thumb = page.images.canvas({ "aria-hidden": "true" });
    const caption = minigen.el("span");
    const tip = minigen.el("div", { class: "tip", hidden: true, "aria-hidden": "true" }, thumb, caption);
    const frame = minigen.el("div", { class: "map" }, canvas, tip);
    const legend = minigen.el("div", { class: "legend", id: "legend" });
    const said = minigen.el("p", { class: "muted small", role: "status", id: "map-status" });

    // Painting: the points into a picture of their own, which is laid under the ring of the current code.
    const layer = document.createElement("canvas");
    const paintPoints = () => {
      const side = Math.round(canvas.clientWidth * (window.devicePixelRatio || 1));
      for (const one of [layer, canvas]) [one.width, one.height] = [side, side];
      const context = layer.getContext("2d");
      const radius = side * (view.points.length > 800 ? 0.0042 : 0.0065);
      const plain = minigen.themed("--accent");
      context.globalAlpha = 0.8;
      view.points.forEach((point, i) => {
        const [a, b] = view.toWindow(point);
        context.fillStyle = colouring ? colourings[colouring].colour(i) : plain;
        context.beginPath();
        context.arc(a * side, b * side, radius, 0, 2 * Math.PI);
        context.fill();
      });
      paint();
    };
    const ring = (context, [a, b], radius, colour, width) => {
      context.strokeStyle = colour;
      context.lineWidth = width;
      context.beginPath();
      context.arc(a, b, radius, 0, 2 * Math.PI);
      context.stroke();
    };
    const tiles = new minigen.Tiles(page, view, () => paint());
    const paint = () => {
      const side = canvas.width;
      const context = canvas.getContext("2d");
      context.clearRect(0, 0, side, side);
      canvas.dataset.tiles = tiles.paint(context, side) ? "shown" : "";
      context.drawImage(layer, 0, 0);
      const at = (point) => view.toWindow(point).map((x) => x * side);
      if (hovered !== null) ring(context, at(view.points[hovered]), side * 0.01, minigen.themed("--ink"), side * 0.003);
      const here = at(view.place(page.code));
      ring(context, here, side * 0.016, minigen.themed("--card"), side * 0.01);
      ring(context, here, side * 0.016, minigen.themed("--accent"), side * 0.005);
    };

    const showTip = ([a, b], text, show) => {
      show(thumb);
      caption.textContent = text;
      tip.hidden = false;
      tip.style.left = `${100 * a}%`;
      tip.style.top = `${100 * b}%`;
      tip.classList.toggle("left", a > 0.6);
      tip.classList.toggle("up", b > 0.6);
    };
    const factsOf = (i) => {
      const name = page.nameOf(page.labelOf("test", i));
      const factor = page.payload.test.factors[colouring];
      return [name && `label ${name}`, factor && `${colouring} ${minigen.short(factor.data[i])}`].filter(Boolean).join(", ") || `test image ${i}`;
    };
    const hover = (where) => {
      hovered = view.nearest(where, REACH);
      if (hovered === null) tip.hidden = true;
      else showTip(view.toWindow(view.points[hovered]), factsOf(hovered), (c) => page.images.showBytes(c, page.payload.test.images.data, hovered));
      paint();
    };

    // The pointer and the keyboard.
    const whereOf = (event) => {
      const box = canvas.getBoundingClientRect();
      return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    };
    const move = (where) => page.set({ code: view.codeAt(view.fromWindow(where), page.code, flat) }, "map");
    let dragging = false;
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      canvas.setPointerCapture(event.pointerId);
      dragging = true;
      const where = whereOf(event);
      const near = view.nearest(where, REACH / 2);
      hovered = null;
      if (near !== null && !flat) page.take(near, "map-image");
      else move(where);
    });
    canvas.addEventListener("pointermove", (event) => (dragging ? move(whereOf(event)) : hover(whereOf(event))));
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => { dragging = false; tip.hidden = true; });
    canvas.addEventListener("pointerleave", () => { if (!dragging) { hovered = null; tip.hidden = true; paint(); } });
    canvas.addEventListener("keydown", (event) => {
      const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
      const [a, b] = view.toWindow(view.place(page.code));
      if (event.key in steps) {
        const far = event.shiftKey ? 0.1 : 0.02;
        move([a + far * steps[event.key][0], b + far * steps[event.key][1]]);
      } else if (event.key === "Enter") {
        const near = view.nearest([a, b]);
        if (near !== null) page.take(near, "map-image");
      } else return;
      event.preventDefault();
    });

    // Choices.
    const order = page.payload.latent.order;
    const dimensions = order.map((k) => [k, `dimension ${k}`]);
    const other = [0, 1].map((place) => minigen.select(place ? "Up" : "Across", dimensions, () => useDimensions()));
    const useDimensions = () => {
      view.useAxes(other.map((label) => Number(label.querySelector("select").value)));
      tiles.refresh(flat);
      paintPoints();
    };
    other[1].querySelector("select").selectedIndex = Math.min(1, order.length - 1);
    const { pca } = page.payload;
    const share = pca ? `Principal components: this plane holds ${Math.round(100 * (pca.explained[0] + pca.explained[1]))} % of the variance of the codes.` : "";
    const axes = minigen.select("Plane", [["pca", "principal components"], ["two", "two dimensions"]], (value) => {
      note.hidden = value !== "pca";
      for (const one of other) one.hidden = value === "pca";
      if (value === "pca") { view.useAxes("pca"); tiles.refresh(flat); paintPoints(); } else useDimensions();
    });
    const note = minigen.el("p", { class: "muted small" }, share);
    const start = page.model.size === 2 || !pca ? "two" : "pca";
    axes.querySelector("select").value = start;
    axes.hidden = start === "two" && page.model.size === 2;
    note.hidden = start === "two";
    for (const one of other) one.hidden = start === "pca" || page.model.size === 2;
    if (start === "two" && page.model.size >= 2) view.useAxes(page.model.size === 2 ? [0, 1] : order.slice(0, 2));
    const colour = minigen.select("Colour by", Object.keys(colourings).map((name) => [name, name]), (value) => { colouring = value; key(); paintPoints(); });
    const through = minigen.el("input", { type: "checkbox", id: "flat", onchange: () => { flat = through.checked; if (flat) move(view.toWindow(view.place(page.code))); } });
    const throughLabel = minigen.el("label", { class: "field check" }, through, minigen.el("span", {}, "other dimensions at their mean"));
    axes.querySelector("select").id = "axes";
    colour.querySelector("select").id = "colour";
    const key = () => {
      const { names, low, high, count } = colourings[colouring] ?? {};
      const gradient = () => [minigen.short(low), minigen.el("i", { class: "gradient" }), minigen.short(high)];
      const chips = () => names.slice(0, 62).map((name, k) => minigen.el("span", { class: "chip" }, minigen.el("i", { style: `background:${minigen.classColour(k, count)}` }), name));
      legend.replaceChildren(...(names ? chips() : low === undefined ? [] : gradient()));
    };

    const tilesBox = minigen.el("input", { type: "checkbox", id: "tiles", onchange: () => tiles.toggle(tilesBox.checked) });
    const tilesLabel = minigen.el("label", { class: "field check" }, tilesBox, minigen.el("span", {}, "decode the whole plane"));
    const choices = minigen.el("div", { class: "choices" }, axes, ...other, Object.keys(colourings).length ? colour : null, legend, page.model.size > 2 ? throughLabel : null, tilesLabel, note, said);
    root.append(minigen.el("div", { class: "mapped" }, frame, choices));
    key();
    page.on(({ image, from }) => {
      const where = view.toWindow(view.place(page.code));
      if (dragging) showTip(where, "", (c) => page.show(c, image));
            const near = from === "map" && !dragging ? view.nearest(where) : null;
      if (near !== null) said.textContent = `nearest on the map: ${factsOf(near)}`;
      tiles.refresh(flat);
      paint();
    });
    new ResizeObserver(paintPoints).observe(frame);
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paintPoints);
  };

  minigen.panel({
    id: "map",
    title: "Latent map",
    about: "Codes of test images. Hover to see one, click it to take it; click or drag anywhere to paint what the decoder makes there.",
    can: (page) => page.payload.test.codes !== null && page.model.size > 1,
    mount,
  });
}
