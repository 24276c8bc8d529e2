// Elements made one by one. All text comes in as text: a name can be anything and still is only a name.

const SVG = document.querySelector('svg').namespaceURI

/** Makes an element; what is absent among attributes and children is left out. */
function make(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children)
}

/** Makes an element of a drawing. */
function draw(tag, attributes, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children)
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value !== undefined) element.setAttribute(name, value)
  }
  element.append(...children.flat(Infinity).filter((child) => child !== undefined && child !== null && child !== ''))
  return element
}

/** Makes a section with a heading; it can be found by its id. */
function section(id, title, ...children) {
  const heading = make('h2', { id: `${id}-heading` }, title)
  return make('section', { id, 'aria-labelledby': heading.id }, heading, children)
}

/** Makes text that someone else chose: it may not turn the writing around it. */
function named(text) {
  return make('bdi', {}, plain(text))
}

/** Leaves out what steers writing and is not seen. */
function plain(text) {
  return String(text).replace(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '')
}

/** Makes a number with its exact value behind what is written of it. */
function exact(value, words) {
  return make('data', { value, class: value < 0 ? 'negative' : undefined }, words)
}

/** Makes an amount of money; a dash where it is not known. */
function amount(usd) {
  return isNumber(usd) ? exact(usd, money(usd)) : make('span', { class: 'quiet' }, '–')
}

function number(value) {
  return exact(value, count(value))
}

function quiet(...children) {
  return make('p', { class: 'quiet' }, children)
}

/** Makes a table; the first cell of a row is its heading, columns that begin with `#` hold numbers. */
function table(caption, columns, rows) {
  const kinds = columns.map((column) => (column.startsWith('#') ? 'number' : undefined))
  const head = columns.map((column, place) =>
    make('th', { scope: 'col', class: kinds[place] }, column.replace('#', '')),
  )
  const body = rows.map((cells) =>
    make(
      'tr',
      {},
      cells.map((cell, place) =>
        place === 0 ? make('th', { scope: 'row' }, cell) : make('td', { class: kinds[place] }, cell),
      ),
    ),
  )
  return make(
    'table',
    {},
    make('caption', {}, caption),
    make('thead', {}, make('tr', {}, head)),
    make('tbody', {}, body),
  )
}

/** Makes a part that is closed until someone opens it; the page keeps it open by its id. */
function disclosure(id, title, ...children) {
  return make('details', { id }, make('summary', { id: `${id}-summary` }, title), children)
}
