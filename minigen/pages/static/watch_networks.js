// The networks of a run as pictures: a layer is a shape as high as its input and its output have numbers (logarithmic).
"use strict";

{
  const { el, scales } = minigen;
  const [WIDTH, HEIGHT, GAP] = [74, 92, 22];

  const svg = (tag, attributes, ...children) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  };

  // The layers of a chain: {kind, from, to: words, units: [in, out]}.
  const layersOf = ({ kind, widths, sizes }) => widths.slice(1).map((width, k) => {
    const side = (at) => (sizes.length === widths.length ? sizes[at] : null);
    const words = (count, size) => (size ? `${count} \u00d7 ${size[0]} \u00d7 ${size[1]}` : String(count));
    const units = (count, size) => count * (size ? size[0] * size[1] : 1);
    return { kind, from: words(widths[k], side(k)), to: words(width, side(k + 1)), units: [units(widths[k], side(k)), units(width, side(k + 1))] };
  });

  const picture = (network) => {
    const chains = network.chains.map(layersOf);
    const most = Math.max(2, ...chains.flat().flatMap(({ units }) => units));
    const half = (units) => 5 + (Math.log(Math.max(units, 1)) / Math.log(most)) * (HEIGHT / 2 - 8);
    const parts = [];
    let x = 4;
    for (const chain of chains) {
      for (const { kind, from, to, units: [a, b] } of chain) {
        const [m, l, r] = [HEIGHT / 2, half(a), half(b)];
        parts.push(svg("g", {}, svg("title", {}, `${kind}: ${from} to ${to}`),
          svg("polygon", { class: `layer ${kind}`, points: `${x},${m - l} ${x + WIDTH - 6},${m - r} ${x + WIDTH - 6},${m + r} ${x},${m + l}` }),
          svg("text", { x: x + (WIDTH - 6) / 2, y: HEIGHT + 13, "text-anchor": "middle" }, kind.replace("ConvTranspose2d", "ConvTransp.")),
          svg("text", { x: x + (WIDTH - 6) / 2, y: HEIGHT + 27, "text-anchor": "middle", class: "muted" }, to)));
        x += WIDTH;
      }
      x += GAP;
    }
    return svg("svg", { viewBox: `0 0 ${x} ${HEIGHT + 34}`, width: x, height: HEIGHT + 34, role: "img", "aria-label": `${network.name}: ${network.text}` }, ...parts);
  };

  const table = (parameters) => el("details", {}, el("summary", { class: "small" }, `${parameters.length} parameters and buffers by name`),
    el("table", { class: "small" }, el("thead", {}, el("tr", {}, el("th", {}, "name"), el("th", {}, "shape"))),
      el("tbody", {}, parameters.map(({ name, shape }) => el("tr", {}, el("td", {}, name), el("td", {}, shape.join(" \u00d7 ") || "one number"))))));

  minigen.Networks = class {
    constructor() {
      this.body = el("div", { class: "body" });
      this.root = el("section", { class: "panel", id: "networks", "aria-label": "Networks" }, el("header", {}, el("h2", {}, "Networks"),
        el("p", { class: "muted small" }, "a layer is as high as its numbers are many (logarithmic); below it what it gives, channels \u00d7 height \u00d7 width")), this.body);
    }

    // `abouts`: [[name, about]] of the runs that are shown. Runs of the same networks share a picture.
    show(abouts) {
      const groups = new Map();
      for (const [name, about] of abouts) {
        const key = JSON.stringify([about.networks, about.parameters, about.note]);
        if (!groups.has(key)) groups.set(key, { names: [], about });
        groups.get(key).names.push(name);
      }
      this.body.replaceChildren(...[...groups.values()].map(({ names, about }) => el("div", { class: "networks" },
        groups.size > 1 ? el("h3", {}, names.join(", ")) : null,
        about.note ? el("p", { class: "muted small" }, about.note) : null,
        about.networks.map((network) => el("div", {},
          el("p", { class: "small" }, el("strong", {}, network.name), el("span", { class: "muted" }, ` ${scales.whole(network.parameters)} parameters`)),
          network.chains.length ? el("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": network.name }, picture(network)) : null)),
        about.parameters.length ? table(about.parameters) : null)));
      this.root.hidden = !abouts.length;
    }
  };
}
