// A label and a slider or a list, both the browser's own: it brings keyboard and screen reader.
function slider(model) {
  const input = document.createElement("input");
  const output = document.createElement("output");
  input.type = "range";
  input.style.cssText = "flex: 1; min-width: 4em; margin: 0; cursor: pointer";
  output.className = "widget-label";
  output.style.cssText = "flex: 0 0 82px; margin-left: 8px; text-align: left";
  input.addEventListener("input", () => {
    model.set("value", input.valueAsNumber);
    model.save_changes();
  });
  const draw = () => {
    for (const name of ["min", "max", "step", "value"]) input[name] = model.get(name);
    output.textContent = `${model.get("value")} ${model.get("unit")}`;
    input.setAttribute("aria-valuetext", output.textContent);
  };
  return [draw, input, output];
}

function list(model) {
  const select = document.createElement("select");
  select.style.cssText = "flex: 1; min-width: 0; height: 28px";
  select.addEventListener("change", () => {
    model.set("_index", select.selectedIndex);
    model.save_changes();
  });
  const draw = () => {
    select.replaceChildren(...model.get("_labels").map((label) => new Option(label)));
    select.selectedIndex = model.get("_index");
  };
  return [draw, select];
}

function render({ model, el }) {
  const label = document.createElement("label");
  const [draw, control, ...rest] = (model.get("_labels") ? list : slider)(model);
  control.id = label.htmlFor = `digitlab-${Math.random().toString(36).slice(2)}`;
  control.dataset.lmSuppressShortcuts = "true"; // or arrow keys move through the notebook
  label.className = "widget-label";
  label.style.cssText = "flex: 0 0 90px; text-align: right; margin-right: 6px";
  el.classList.add("jupyter-widgets", "widget-inline-hbox", "widget-dropdown");
  el.append(label, control, ...rest);

  const update = () => {
    label.textContent = model.get("description");
    control.disabled = model.get("disabled");
    draw();
  };
  model.on("change", update);
  update();
  return () => model.off("change", update);
}

export default { render };
