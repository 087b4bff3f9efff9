// What the reader has chosen lives in the address's fragment: a reload or a mail keeps it.

const state = {
  values: new URLSearchParams(location.hash.slice(1)),

  get(name, otherwise = "") {
    return this.values.get(name) ?? otherwise;
  },

  all(name) {
    return this.values.getAll(name);
  },

  /** Set a name to a text, to several, or to nothing. */
  set(name, value) {
    this.values.delete(name);
    for (const text of [value].flat()) if (text !== "" && text !== null) this.values.append(name, text);
    history.replaceState(null, "", `#${this.values}`);
  },

  read() {
    this.values = new URLSearchParams(location.hash.slice(1));
  },
};

/** An element with attributes, properties that begin with `on`, and children. */
function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node[name] = value;
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

function button(label, onclick, attributes = {}) {
  return element("button", { type: "button", onclick, ...attributes }, label);
}

/** A labelled list of options, [value, label] each. */
function select(label, options, value, onchange) {
  const list = element("select", { onchange: (event) => onchange(event.target.value) });
  for (const [name, text] of options) {
    list.append(element("option", { value: name, selected: name === value }, text));
  }
  return element("label", {}, `${label} `, list);
}
