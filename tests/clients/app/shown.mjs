// What the page shows, beside what the tool said.

import { check } from '../supabase/checks.mjs'

const SECTIONS = [
  'headline',
  'warnings',
  'days',
  'month',
  'budgets',
  'by-model',
  'by-strategy',
  'by-source',
  'cache',
  'experiments',
  'requests',
]

/** Reads what is on the page, as a person does: texts, and the exact numbers behind them. */
export function read(frame) {
  return frame.evaluate(() => {
    const numbers = (root) =>
      Array.from(root.querySelectorAll('data'), ({ value, textContent }) => ({
        value: Number(value),
        text: textContent,
      }))
    const section = (element) => ({
      text: element.innerText,
      heading: element.querySelector('h2')?.textContent,
      numbers: numbers(element),
    })
    const rows = (id) =>
      Array.from(document.querySelectorAll(`#${id} tbody tr`), (row) => ({
        name: row.querySelector('th').textContent,
        numbers: numbers(row),
      }))
    const simulated = document.getElementById('simulated')
    return {
      sections: Object.fromEntries(
        Array.from(document.querySelectorAll('main > section'), (element) => [element.id, section(element)]),
      ),
      rows: {
        model: rows('by-model'),
        strategy: rows('by-strategy'),
        source: rows('by-source'),
        requests: rows('requests'),
      },
      tiles: Array.from(document.querySelectorAll('.tiles dd > data'), ({ value, textContent }) => ({
        value: Number(value),
        text: textContent,
      })),
      covered: document.getElementById('covered').textContent,
      trouble: document.getElementById('trouble').textContent,
      isMarked: !simulated.hidden && simulated.getClientRects().length > 0 && simulated.textContent === 'SIMULATED',
      hasControls: !document.getElementById('controls').hidden,
      svgs: document.querySelectorAll('figure > svg').length,
      harmed: window.harmed,
    }
  })
}

/** Checks that a text says a number: no digit is false, and little is not nothing. */
function says({ value, text }) {
  const written = Number(text.replace(/[$,%+]| ms$/g, '').replace('−', '-')) / (text.endsWith('%') ? 100 : 1)
  return Math.abs(written - value) <= Math.abs(value) * 0.006 && Math.sign(written) === Math.sign(value)
}

/** Checks a page that is full against the result of the tool. */
export function checkNumbers(what, shown, { structuredContent: { totals, simulated }, extra }) {
  const missing = SECTIONS.filter((id) => !shown.sections[id]?.heading)
  check(`${what}: each section is there`, missing.length === 0, missing)
  const broken = Object.values(shown.sections).filter(({ text }) =>
    /could not be shown|undefined|NaN|\[object/.test(text),
  )
  check(`${what}: each section is whole`, broken.length === 0, broken)
  const expected = [totals.cost_usd, totals.saved_usd, totals.requests, totals.cache_hit_rate]
  check(
    `${what}: the headline has the tool's numbers`,
    same(
      shown.tiles.map(({ value }) => value),
      expected,
    ),
    [shown.tiles, expected],
  )
  const all = [...shown.tiles, ...Object.values(shown.sections).flatMap(({ numbers }) => numbers)]
  const untrue = all.filter((number) => !says(number))
  check(`${what}: each number is written as it is`, untrue.length === 0, untrue)
  check(`${what}: it is marked as simulated`, shown.isMarked === (simulated === true), shown.covered)
  for (const [group, groups] of [
    ['model', extra.by_model],
    ['strategy', extra.by_strategy],
    ['source', extra.by_source],
  ]) {
    const found = shown.rows[group].map(({ numbers }) => numbers.map(({ value }) => value))
    const wanted = groups.map(({ requests, cost_usd, saved_usd }) => [requests, cost_usd, saved_usd])
    check(`${what}: each ${group} has its numbers`, same(found, wanted), [found, wanted])
  }
  check(
    `${what}: the latest requests are listed`,
    shown.rows.requests.length === extra.requests.length && extra.requests.length > 0,
    shown.rows.requests.length,
  )
  check(`${what}: charts are drawn`, shown.svgs >= 3, shown.svgs)
  check(`${what}: nothing is wrong`, shown.trouble === '', shown.trouble)
}

function same(found, expected) {
  return JSON.stringify(found) === JSON.stringify(expected)
}
