"use strict";
// The tables of the page: columns as analysis/explorer/columns.py packs them.

const INFINITE = { Infinity: Infinity, "-Infinity": -Infinity }; // as text, which JSON has

/** The page's data: base64, gzip, JSON. */
async function openData() {
  const text = atob(document.getElementById("data").textContent.trim());
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).json();
}

/** A table of columns; rows are numbers from 0. */
class Table {
  constructor(name, content) {
    this.name = name;
    this.n = content.n;
    this.columns = content.columns;
    this.names = Object.keys(content.columns);
  }

  /** The value of a column in a row; undefined without such a column. */
  value(name, row) {
    const column = this.columns[name];
    if (!column) return undefined;
    if (!Array.isArray(column)) return column.codes[row] < 0 ? null : column.names[column.codes[row]];
    const value = column[row];
    return typeof value === "string" ? INFINITE[value] : value;
  }

  /** Whether a column holds numbers. */
  isNumeric(name) {
    const column = this.columns[name];
    return Array.isArray(column) && column.some((value) => typeof value === "number");
  }

  /** A row as an object of all its columns. */
  row(row) {
    return Object.fromEntries(this.names.map((name) => [name, this.value(name, row)]));
  }

  /** The rows that pass all tests, each a function of a row. */
  where(tests) {
    const rows = [];
    for (let row = 0; row < this.n; row++) if (tests.every((test) => test(row))) rows.push(row);
    return rows;
  }

  /** Whether a row has a value in a column, as a function of the row. */
  equals(name, wanted) {
    const column = this.columns[name];
    if (!column) return () => true;
    if (Array.isArray(column)) return (row) => column[row] === wanted;
    const code = column.names.indexOf(wanted);
    return (row) => column.codes[row] === code;
  }

  /** Whether a row's text in a column is one of a set; the rows of a table without it all pass. */
  isIn(name, wanted) {
    const column = this.columns[name];
    if (!column || Array.isArray(column)) return () => true;
    const passes = column.names.map((text) => wanted.has(text));
    return (row) => column.codes[row] < 0 || passes[column.codes[row]];
  }
}
