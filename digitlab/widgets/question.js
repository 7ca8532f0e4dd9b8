// A question and a way to answer it, of the browser's own parts: they bring keyboard and reader.
function choices(model, name) {
  const inputs = model.get("options").map((text, i) => {
    const label = document.createElement("label");
    const input = document.createElement("input");
    input.type = "radio";
    input.name = name;
    input.value = String(i);
    label.append(input, " ", text);
    return [label, input];
  });
  const value = () => inputs.find(([, input]) => input.checked)?.[1].value ?? "";
  return [inputs.map(([label]) => label), inputs.map(([, input]) => input), value];
}

function field(model) {
  const label = document.createElement("label");
  const input = document.createElement("input");
  input.type = "text";
  input.inputMode = model.get("numeric") ? "decimal" : "text";
  input.autocomplete = "off";
  input.value = model.get("answer");
  label.append("Your answer ", input, ` ${model.get("unit")}`);
  return [[label], [input], () => input.value.trim()];
}

function render({ model, el }) {
  const form = document.createElement("form");
  const set = document.createElement("fieldset");
  const legend = document.createElement("legend");
  const button = document.createElement("button");
  const reply = document.createElement("div");
  const name = `digitlab-${Math.random().toString(36).slice(2)}`;
  const [labels, inputs, value] = (model.get("options").length ? choices : field)(model, name);
  legend.innerHTML = model.get("text");
  button.textContent = model.get("button");
  button.type = "submit";
  reply.setAttribute("role", "status");
  for (const one of [...inputs, button]) one.dataset.lmSuppressShortcuts = "true";
  set.append(legend, ...labels, button);
  form.append(set, reply);
  form.className = "digitlab-question";
  el.append(form);

  for (const input of inputs)
    input.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault(); // JupyterLab would take the key for itself
      event.stopPropagation();
      form.requestSubmit();
    });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (value() === "") {
      reply.textContent = "Choose or type an answer first.";
      return;
    }
    model.set("answer", value());
    model.set("asked", model.get("asked") + 1); // the same answer again is one, too
    model.save_changes();
  });
  const update = () => (reply.innerHTML = model.get("reply"));
  model.on("change:reply", update);
  update();
  return () => model.off("change:reply", update);
}

export default { render };
