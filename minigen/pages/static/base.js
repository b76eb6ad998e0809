// What every script of a page uses: the one global name `minigen`, elements of the document, and small helpers.
"use strict";

const minigen = { panels: [] };

{
  // A panel of a page: {id, title, about, mount: (root, page) => ..., can?: (page) => bool}; where `can` is false it is
  // absent, and where a run does not offer it.
  minigen.panel = (panel) => minigen.panels.push(panel);

  // An element: el("button", {class: "small", onclick: f, "aria-label": "..."}, "text", child, ...); null children are left out.
  minigen.el = (tag, attributes = {}, ...children) => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
      else if (value === true) made.setAttribute(name, "");
      else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
    }
    made.append(...children.flat().filter((child) => child !== null && child !== undefined));
    return made;
  };

  // `run` with the newest arguments only: one call is under way, one waits, those between are dropped.
  minigen.latest = (run) => {
    let busy = false;
    let waiting = null;
    const call = async (...given) => {
      waiting = given;
      if (busy) return;
      busy = true;
      try {
        while (waiting) {
          const next = waiting;
          waiting = null;
          await run(...next);
        }
      } finally {
        busy = false;
      }
    };
    call.busy = () => busy;
    return call;
  };

  // `run` once nothing has asked for it during `ms` milliseconds.
  minigen.later = (ms, run) => {
    let timer = 0;
    return () => {
      clearTimeout(timer);
      timer = setTimeout(run, ms);
    };
  };

  // A select with a label: choices are [value, text].
  minigen.select = (label, choices, onchange) => {
    const box = minigen.el("select", { "aria-label": label, onchange: () => onchange(box.value) });
    for (const [value, text] of choices) box.append(minigen.el("option", { value }, text));
    return minigen.el("label", { class: "field" }, minigen.el("span", {}, label), box);
  };

  minigen.button = (text, onclick, attributes = {}) => minigen.el("button", { type: "button", onclick, ...attributes }, text);

  // A number in few letters.
  minigen.short = (x) => {
    const text = x.toFixed(Math.abs(x) >= 100 ? 0 : Math.abs(x) >= 10 ? 1 : 2);
    return Number(text) === 0 ? text.replace("-", "") : text.replace("-", "\u2212");
  };

  // Show an error where the user looks; the page goes on.
  minigen.complain = (error) => {
    const box = document.getElementById("complaint");
    if (!box) return;
    box.textContent = error ? String(error.message ?? error) : "";
    box.hidden = !error;
  };
}
