// The steps of a job as rows that can be added, moved and removed. The text field that they stand for keeps the JSON, which
// is what is sent; without this script, or if its text is no list, it is edited as it is.
"use strict";
(() => {
  const types = document.getElementById("operation-types");
  const WHEN = [["success", "no step before has failed"], ["failure", "a step before has failed"], ["always", "in both cases"]];

  function element(name, properties = {}, ...children) {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  }

  let counter = 0;
  function labelled(text, input, help) {
    input.id = `step-${counter += 1}`;
    const label = element("label", { htmlFor: input.id, textContent: text });
    const row = element("div", {}, label, input);
    if (help) {
      help.id = `${input.id}-help`;
      help.className = "help";
      input.setAttribute("aria-describedby", help.id);
      row.append(help);
    }
    return row;
  }

  function textInput(value) {
    return element("input", { value: value ?? "", autocomplete: "off", spellcheck: false });
  }

  function checkbox(value) {
    return element("input", { type: "checkbox", checked: value === true });
  }

  class Row {
    constructor(editor, step) {
      this.editor = editor;
      const operation = step.operation ?? {};
      this.name = textInput(step.name);
      this.name.maxLength = 60;
      this.type = textInput(operation.type);
      this.type.setAttribute("list", "operation-types");
      this.type.required = true;
      this.data = element("textarea", { rows: 3, spellcheck: false });
      this.data.value = operation.data === undefined ? "" : JSON.stringify(operation.data, null, 2);
      this.when = element("select", {}, ...WHEN.map(([value, text]) => element("option", { value, textContent: text })));
      this.when.value = step.when ?? (step.handles ? "failure" : "success");
      this.condition = textInput(step.if);
      this.handles = textInput(step.handles);
      this.recovers = checkbox(step.recovers);
      this.ignores = checkbox(step.ignore_failure);
      this.timeout = element("input", { type: "number", min: "0", step: "any", value: step.timeout_seconds ?? "" });
      this.known = new Set(["name", "operation", "when", "if", "handles", "recovers", "ignore_failure", "timeout_seconds"]);
      this.others = Object.fromEntries(Object.entries(step).filter(([key]) => !this.known.has(key)));
      this.fields = element("p");
      this.legend = element("legend");
      const more = element("details", {}, element("summary", { textContent: "Condition, error handler, ignored failure, time" }),
        element("div", { className: "grid" },
          labelled("Only where this holds", this.condition,
            element("p", { textContent: "A target about the host or earlier steps, such as os.family:debian or step.NAME.changed:true." })),
          labelled("Handles the failure of the step", this.handles, element("p", { textContent: "The name of an earlier step." })),
          labelled("If it succeeds, that failure counts no longer", this.recovers),
          labelled("Go on if it fails", this.ignores),
          labelled("Time in seconds", this.timeout)));
      more.open = Boolean(step.if || step.handles || step.ignore_failure || step.timeout_seconds);
      this.root = element("fieldset", { className: "stack step" }, this.legend,
        element("div", { className: "grid" },
          labelled("Name", this.name), labelled("Operation", this.type), labelled("Runs if", this.when)),
        labelled("Its data, as a JSON object", this.data, this.fields),
        more,
        element("p", { className: "buttons" },
          this.button("Up", () => editor.move(this, -1)),
          this.button("Down", () => editor.move(this, 1)),
          this.button("Remove", () => editor.remove(this))));
      for (const kind of ["input", "change"]) this.root.addEventListener(kind, () => editor.write());
      this.describe();
    }

    button(text, press) {
      const made = element("button", { type: "button", className: "plain", textContent: text });
      made.addEventListener("click", press);
      return made;
    }

    describe() {
      const option = [...types.options].find((one) => one.value === this.type.value);
      const fields = option ? option.dataset.fields : "";
      this.fields.textContent = fields ? `Fields: ${fields}.` : option ? "This operation takes no data." : "";
    }

    step() {
      const step = { ...this.others };
      if (this.name.value.trim()) step.name = this.name.value;
      step.operation = { type: this.type.value.trim() };
      const data = this.value();
      if (data !== undefined) step.operation.data = data;
      if (this.condition.value.trim()) step.if = this.condition.value;
      if (this.handles.value.trim()) step.handles = this.handles.value;
      else if (this.when.value !== "success") step.when = this.when.value;
      if (this.recovers.checked) step.recovers = true;
      if (this.ignores.checked) step.ignore_failure = true;
      if (this.timeout.value) step.timeout_seconds = Number(this.timeout.value);
      return step;
    }

    value() {
      this.data.setCustomValidity("");
      if (!this.data.value.trim()) return undefined;
      try {
        const value = JSON.parse(this.data.value);
        if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
        this.data.setCustomValidity('Must be a JSON object, such as {"name": "nginx"}.');
      } catch (error) {
        this.data.setCustomValidity(`Not valid JSON: ${error.message}`);
      }
      return undefined;
    }
  }

  class Editor {
    constructor(field) {
      this.field = field;
      this.rows = [];
      this.list = element("div", { className: "stack" });
      const add = element("button", { type: "button", textContent: "Add a step" });
      add.addEventListener("click", () => this.add({}).type.focus());
      this.root = element("div", { className: "stack" }, this.list, element("p", { className: "buttons" }, add));
      field.after(this.root);
      field.hidden = true;
      field.required = false;
      this.label = document.querySelector(`label[for="${CSS.escape(field.id)}"]`);
      for (const step of Editor.steps(field)) this.add(step);
      if (!this.rows.length) this.add({});
      this.write();
    }

    static steps(field) {
      return field.value.trim() ? JSON.parse(field.value) : [];
    }

    add(step) {
      const row = new Row(this, step);
      this.rows.push(row);
      this.show();
      return row;
    }

    move(row, by) {
      const from = this.rows.indexOf(row), to = from + by;
      if (to < 0 || to >= this.rows.length) return;
      this.rows.splice(from, 1);
      this.rows.splice(to, 0, row);
      this.show();
      row.name.focus();
    }

    remove(row) {
      this.rows.splice(this.rows.indexOf(row), 1);
      this.show();
    }

    show() {
      this.list.replaceChildren(...this.rows.map((row) => row.root));
      this.rows.forEach((row, index) => { row.legend.textContent = `Step ${index + 1}`; });
      this.write();
    }

    write() {
      for (const row of this.rows) row.describe();
      this.field.value = JSON.stringify(this.rows.map((row) => row.step()));
    }
  }

  function isList(field) {
    try {
      const steps = Editor.steps(field);
      return Array.isArray(steps) && steps.every((step) => typeof step === "object" && step !== null
        && (step.operation === undefined || (typeof step.operation === "object" && step.operation !== null)));
    } catch {
      return false;
    }
  }

  for (const field of document.querySelectorAll("textarea[data-steps]")) {
    const raw = document.getElementById("raw");
    if (types && isList(field) && !(raw && raw.value.trim())) new Editor(field);
  }
})();
