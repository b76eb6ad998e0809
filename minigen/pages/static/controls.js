// Fields that several panels have: a range with its value beside it, a box to tick.
"use strict";

{
  // A range with a label: `say(value)` is the text beside it. The element has `.value`, to read and to set.
  minigen.range = (label, { min, max, step, value, say = minigen.short, ...attributes }, oninput) => {
    const told = minigen.el("output", { class: "muted small" });
    const tell = () => {
      told.textContent = say(box.valueAsNumber);
      box.setAttribute("aria-valuetext", told.textContent);
    };
    const changed = () => {
      tell();
      oninput(box.valueAsNumber);
    };
    const box = minigen.el("input", { type: "range", min, max, step, value, "aria-label": label, oninput: changed, ...attributes });
    const field = minigen.el("label", { class: "field" }, minigen.el("span", {}, label), box, told);
    Object.defineProperty(field, "value", {
      get: () => box.valueAsNumber,
      set: (wanted) => {
        box.value = wanted;
        tell();
      },
    });
    tell();
    return field;
  };

  // A box to tick, with a label.
  minigen.tick = (label, checked, onchange, attributes = {}) => {
    const box = minigen.el("input", { type: "checkbox", checked, onchange: () => onchange(box.checked), ...attributes });
    return minigen.el("label", { class: "field" }, box, minigen.el("span", {}, label));
  };
}
